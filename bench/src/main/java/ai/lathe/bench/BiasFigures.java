package ai.lathe.bench;

import ai.lathe.compress.measure.Executor;
import ai.lathe.compress.measure.Measurement;
import ai.lathe.eval.data.TextData;
import ai.lathe.eval.data.Windows;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointView;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Progress;
import ai.lathe.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;

/**
 * What the biases of a factorized model do to its distance from the original: with each kind of
 * layers replaced alone, with all of them, and where the feed-forward of the first block is made to
 * give more.
 *
 * <pre>
 * BiasFigures MODEL ARTIFACT HELD-OUT-TEXT SEQ-LEN SEQUENCES [GAIN,...]
 * </pre>
 *
 * Prints KL on so many sequences. A gain multiplies what the first block's feed-forward reads.
 */
public final class BiasFigures {

  private final Checkpoint model;
  private final Checkpoint artifact;
  private final List<int[]> texts;

  private BiasFigures(Checkpoint model, Checkpoint artifact, List<int[]> texts) {
    this.model = model;
    this.artifact = artifact;
    this.texts = texts;
  }

  public static void main(String[] arguments) {
    if (arguments.length < 5) {
      throw new LatheException(
          "BiasFigures MODEL ARTIFACT HELD-OUT-TEXT SEQ-LEN SEQUENCES [GAIN,...]");
    }
    int length = Integer.parseInt(arguments[3]);
    var gains = new ArrayList<Float>(List.of(1f));
    if (arguments.length > 5) {
      for (var gain : arguments[5].split(",")) {
        gains.add(Float.parseFloat(gain));
      }
    }
    try (var model = Checkpoints.open(Path.of(arguments[0]));
        var artifact = Checkpoints.open(Path.of(arguments[1]))) {
      var tokenizer =
          model
              .tokenizer()
              .orElseThrow(() -> new LatheException(arguments[0] + " has no tokenizer"));
      var text = TextData.open(Path.of(arguments[2]));
      var all = Windows.evaluation(text, tokenizer, length).tokens();
      int count = Math.min(Integer.parseInt(arguments[4]), all.size());
      var figures = new BiasFigures(model, artifact, all.subList(0, count));
      figures.alone();
      figures.together(gains);
    }
  }

  /** Kinds of layers whose biases differ from the model's. */
  private Set<Role> biased() {
    var roles = new LinkedHashSet<Role>();
    for (var address : artifact.addresses()) {
      if (address.part() == Address.Part.BIAS && model.vector(address).isEmpty()) {
        roles.add(address.role());
      }
    }
    return roles;
  }

  private double kl(Set<Role> weights, Set<Role> biases, float gain) {
    var mixed = new Mixed(weights, biases, gain);
    return switch (Measurement.of(Executor.TORCH, mixed, model, texts, Progress.NONE)) {
      case Measurement.Language language -> language.kl();
      case Measurement.Embedding _ -> throw new LatheException("biases are measured on decoders");
    };
  }

  private void alone() {
    System.out.println("| factorized alone | with its biases | without |\n|---|---|---|");
    for (var role : biased()) {
      var one = Set.of(role);
      print(role.toString(), List.of(kl(one, one, 1), kl(one, Set.of(), 1)));
    }
  }

  private void together(List<Float> gains) {
    var roles = biased();
    var ways = new LinkedHashMap<String, Set<Role>>();
    ways.put("all biases", roles);
    for (var role : roles) {
      var others = new LinkedHashSet<>(roles);
      others.remove(role);
      ways.put("without those of " + role, others);
    }
    ways.put("no biases", Set.of());
    System.out.print("\n| all factorized |");
    gains.forEach(gain -> System.out.printf(Locale.ROOT, " gain %.2f |", gain));
    System.out.println("\n|" + "---|".repeat(gains.size() + 1));
    ways.forEach(
        (name, biases) ->
            print(name, gains.stream().map(gain -> kl(roles, biases, gain)).toList()));
  }

  private static void print(String name, List<Double> figures) {
    var line = new StringBuilder("| " + name + " |");
    figures.forEach(figure -> line.append(String.format(Locale.ROOT, " %.5f |", figure)));
    System.out.println(line);
  }

  /** The model with some kinds of weights, and some kinds of biases, of the artifact. */
  private final class Mixed extends CheckpointView {
    private final Set<Role> weights;
    private final Set<Role> biases;
    private final float gain;

    Mixed(Set<Role> weights, Set<Role> biases, float gain) {
      super(model);
      this.weights = weights;
      this.biases = biases;
      this.gain = gain;
    }

    @Override
    public LinearWeight matrix(Address address) {
      return weights.contains(address.role()) && address.block() != Address.OUTSIDE
          ? artifact.matrix(address)
          : source.matrix(address);
    }

    @Override
    public Optional<Tensor> vector(Address address) {
      if (address.part() == Address.Part.BIAS && biases.contains(address.role())) {
        return artifact.vector(address);
      }
      var own = source.vector(address);
      return address.role() == Role.FEED_FORWARD_NORM && address.block() == 0 && gain != 1
          ? own.map(this::scaled)
          : own;
    }

    private Tensor scaled(Tensor vector) {
      var values = vector.toFloats();
      for (int i = 0; i < values.length; i++) {
        values[i] *= gain;
      }
      return Tensor.ofFloats(values, values.length);
    }
  }
}

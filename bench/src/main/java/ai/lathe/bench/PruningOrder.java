package ai.lathe.bench;

import ai.lathe.compress.calibration.Texts;
import ai.lathe.compress.measure.Executor;
import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.plan.Machine;
import ai.lathe.compress.pruning.Sparsity;
import ai.lathe.compress.pruning.fisher.GlobalMethods;
import ai.lathe.compress.pruning.fisher.ModelPruner;
import ai.lathe.eval.data.TextData;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointView;
import ai.lathe.model.architecture.Parameter.Kind;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Progress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.TreeMap;

/**
 * Global pruning methods beside each other and beside magnitudes: on one text for gradients,
 * measured on another.
 *
 * <pre>
 * PruningOrder MODEL TEXT EVALUATION-TEXT SAMPLES SEQ-LEN SPARSITY,... METHOD,... [KEY=VALUE...]
 * </pre>
 *
 * A sparsity may be a pattern, as {@code 2:4}, or have one, as {@code 0.5/1x4}. Key {@code
 * memory_mb} limits what the run may take.
 */
public final class PruningOrder {

  private static final long SEED = 1;

  private PruningOrder() {}

  public static void main(String[] arguments) throws Exception {
    int samples = Integer.parseInt(arguments[3]);
    int length = Integer.parseInt(arguments[4]);
    var settings = new TreeMap<String, Object>();
    for (int i = 7; i < arguments.length; i++) {
      var pair = arguments[i].split("=", 2);
      settings.put(pair[0], pair[1]);
    }
    var memory = settings.remove("memory_mb");
    var limit =
        memory == null ? Machine.availableMemory() : Long.parseLong(memory.toString()) << 20;
    var file = Files.createTempDirectory("pruning").resolve("weights.safetensors");
    try (var model = Checkpoints.open(Path.of(arguments[0]))) {
      var texts =
          Texts.take(
              model.architecture().kind(),
              model.tokenizer().orElseThrow(),
              TextData.open(Path.of(arguments[1]), "text"),
              Optional.of(TextData.open(Path.of(arguments[2]), "text")),
              true,
              samples,
              length,
              SEED);
      System.out.printf(
          "%d sequences for gradients, %d to measure on; %s%n",
          texts.calibration().size(), texts.evaluation().size(), settings);
      for (var given : arguments[5].split(",")) {
        var sparsity = sparsity(given);
        for (var method : arguments[6].split(",")) {
          long start = System.nanoTime();
          if (method.equals("magnitude")) {
            print(method, given, start, magnitude(model, sparsity.share()), model, texts);
            continue;
          }
          var request =
              new ModelPruner.Request(
                  GlobalMethods.named(method, sparsity, settings),
                  _ -> true,
                  texts.calibration(),
                  SEED,
                  limit,
                  Machine.multiplyRate(),
                  file,
                  false);
          try (var pruned = ModelPruner.prune(model, request, Progress.NONE, System.out::println)) {
            print(method, given, start, pruned, model, texts);
          }
        }
      }
    } finally {
      Files.deleteIfExists(file);
      Files.deleteIfExists(file.getParent());
    }
  }

  private static Sparsity sparsity(String text) {
    var parts = text.split("/");
    if (text.contains(":")) {
      return Sparsity.of(Optional.empty(), Pattern.parse(text));
    }
    var pattern = parts.length > 1 ? Pattern.parse(parts[1]) : Pattern.UNSTRUCTURED;
    return new Sparsity(Double.parseDouble(parts[0]), pattern);
  }

  private static void print(
      String method,
      String sparsity,
      long start,
      Checkpoint pruned,
      Checkpoint model,
      Texts texts) {
    double seconds = (System.nanoTime() - start) * 1e-9;
    var measured = Measurement.of(Executor.TORCH, pruned, model, texts.evaluation(), Progress.NONE);
    var text =
        switch (measured) {
          case Measurement.Language language ->
              String.format(
                  Locale.ROOT,
                  "KL %.4f, perplexity %.3f (%.3f)",
                  language.kl(),
                  language.perplexity(),
                  language.referencePerplexity());
          case Measurement.Embedding embedding ->
              String.format(Locale.ROOT, "1 - cosine %.5f", 1 - embedding.cosine());
        };
    System.out.printf(
        Locale.ROOT,
        "%s at %s: %s; %.1f s, %.2f GB at the peak so far%n",
        method,
        sparsity,
        text,
        seconds,
        Machine.peakMemory() / 1e9);
  }

  /** One threshold of absolute values for all linear layers of blocks. */
  private static Checkpoint magnitude(Checkpoint model, double share) {
    var matrices = model.addresses().stream().filter(address -> prunable(model, address)).toList();
    var all = new float[(int) matrices.stream().mapToLong(a -> elements(model, a)).sum()];
    int at = 0;
    for (var address : matrices) {
      for (float weight : model.matrix(address).decode().values()) {
        all[at++] = Math.abs(weight);
      }
    }
    Arrays.sort(all);
    float threshold = all[(int) Math.round(all.length * share)];
    return new CheckpointView(model) {
      @Override
      public LinearWeight matrix(Address address) {
        if (!List.copyOf(matrices).contains(address)) {
          return source.matrix(address);
        }
        var matrix = source.matrix(address).decode().copy();
        for (int i = 0; i < matrix.values().length; i++) {
          matrix.values()[i] = Math.abs(matrix.values()[i]) < threshold ? 0 : matrix.values()[i];
        }
        return Dense.of(new Matrix(matrix.rows(), matrix.columns(), matrix.values()));
      }
    };
  }

  private static long elements(Checkpoint model, Address address) {
    var matrix = model.matrix(address);
    return (long) matrix.rows() * matrix.columns();
  }

  private static boolean prunable(Checkpoint model, Address address) {
    return address.block() != Address.OUTSIDE
        && address.part() == Address.Part.WEIGHT
        && model.architecture().parameter(address.role()).kind() == Kind.LINEAR;
  }
}

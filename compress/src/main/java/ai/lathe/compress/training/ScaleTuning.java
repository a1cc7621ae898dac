package ai.lathe.compress.training;

import ai.lathe.compress.layer.EndToEnd;
import ai.lathe.compress.layer.EndToEnd.Objective;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.gradient.Gradients;
import ai.lathe.torch.gradient.Loss;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.BiConsumer;

/**
 * Tunes the scales of a whole compressed model by the gradients of one loss, everything else as it
 * is: GQSA's end-to-end optimized quantization-pruning (E2E-OQP). Of the start and what each epoch
 * leaves that is kept which has the least loss on sequences kept apart.
 *
 * @see <a href="https://arxiv.org/abs/2412.17560">Zeng et al., GQSA, 2024</a>
 */
public final class ScaleTuning {

  /** One sequence in so many is kept apart. */
  private static final int APART = 8;

  /** The learning rate falls to this share of what it begins with, by a cosine. */
  private static final double LEAST_RATE = 0.05;

  private final EndToEnd settings;
  private final Gradients gradients;
  private final List<Address> addresses;
  private final List<CodeScales> scales;
  private final List<List<int[]>> training;
  private final List<List<int[]>> validation;

  /**
   * @param before loss on sequences kept apart
   * @param after the same, with these scales
   * @param scales {@code [out, groups]} by matrix
   */
  public record Tuned(double before, double after, Map<Address, float[]> scales) {}

  private ScaleTuning(
      EndToEnd settings,
      Gradients gradients,
      Map<Address, CodeScales> matrices,
      List<int[]> sequences) {
    this.settings = settings;
    this.gradients = gradients;
    addresses = List.copyOf(matrices.keySet());
    scales = List.copyOf(matrices.values());
    var shuffled = new ArrayList<>(sequences);
    Collections.shuffle(shuffled, new Random(settings.seed()));
    int apart = Math.max(1, shuffled.size() / APART);
    validation = batches(shuffled.subList(0, apart));
    training = shuffled.size() > 1 ? batches(shuffled.subList(apart, shuffled.size())) : validation;
  }

  /** Whether it can change a weight's scales: one of codes in groups whose inputs stay exact. */
  public static boolean tunes(LinearWeight weight) {
    return CodeScales.of(weight, 0).isPresent();
  }

  /**
   * A weight with other scales.
   *
   * @param weight one that {@link #tunes}
   * @param scales {@code [out, groups]}
   */
  public static LinearWeight with(LinearWeight weight, float[] scales) {
    return CodeScales.of(weight, 0).orElseThrow().weight(scales);
  }

  /**
   * @param compressed a decoder; not changed
   * @param original what it was made from
   * @param matrices whose scales are tuned
   * @param sequences of tokens; at least two of them, or there is nothing to keep apart
   */
  public static Tuned tune(
      Checkpoint compressed,
      Checkpoint original,
      EndToEnd settings,
      List<Address> matrices,
      List<int[]> sequences,
      Progress progress) {
    var scales = new LinkedHashMap<Address, CodeScales>();
    for (var address : matrices) {
      var weight = compressed.matrix(address);
      scales.put(address, CodeScales.of(weight, settings.learningRate()).orElseThrow());
    }
    var loss =
        settings.objective() == Objective.TEACHER
            ? new Loss.Distillation(original, 1, 1)
            : new Loss.NextToken();
    try (var gradients = new Gradients(compressed, loss)) {
      return new ScaleTuning(settings, gradients, scales, sequences).run(progress);
    }
  }

  private List<List<int[]>> batches(List<int[]> sequences) {
    var batches = new ArrayList<List<int[]>>();
    long tokens = 0;
    for (var sequence : sequences) {
      if (batches.isEmpty() || tokens + sequence.length > settings.batchTokens()) {
        batches.add(new ArrayList<>());
        tokens = 0;
      }
      batches.getLast().add(sequence);
      tokens += sequence.length;
    }
    return batches;
  }

  private Tuned run(Progress progress) {
    int steps = settings.epochs() * training.size();
    int measured = (settings.epochs() + 1) * validation.size();
    try (var task = progress.start("tuning scales over all blocks", steps + measured)) {
      double before = loss(task);
      double least = before;
      var best = current();
      var random = new Random(settings.seed());
      var order = new ArrayList<>(training);
      for (int epoch = 0, step = 0; epoch < settings.epochs(); epoch++) {
        Collections.shuffle(order, random);
        for (var batch : order) {
          double falling = 0.5 * (1 + Math.cos(Math.PI * step / steps));
          step(batch, step++, LEAST_RATE + (1 - LEAST_RATE) * falling);
          task.advance(1);
        }
        double loss = loss(task);
        if (loss < least) {
          least = loss;
          best = current();
        }
      }
      return new Tuned(before, least, best);
    }
  }

  private Map<Address, float[]> current() {
    var current = new LinkedHashMap<Address, float[]>();
    each((address, matrix) -> current.put(address, matrix.scales()));
    return current;
  }

  private void step(List<int[]> batch, long number, double share) {
    gradients.of(batch, number, addresses, (i, gradient) -> scales.get(i).differentiate(gradient));
    each(
        (address, matrix) -> {
          matrix.step(share);
          gradients.replace(address, matrix.weight(matrix.scales()));
        });
  }

  private void each(BiConsumer<Address, CodeScales> action) {
    for (int i = 0; i < addresses.size(); i++) {
      action.accept(addresses.get(i), scales.get(i));
    }
  }

  /** The mean over sequences kept apart. */
  private double loss(Progress.Task task) {
    double sum = 0;
    int count = 0;
    for (var batch : validation) {
      sum += batch.size() * gradients.loss(batch, 0);
      count += batch.size();
      task.advance(1);
    }
    return sum / count;
  }
}

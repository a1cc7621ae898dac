package ai.lathe.compress.pruning.fisher;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/**
 * What pruning a model takes, before it starts, and how its matrices are grouped so that it takes
 * no more memory than there is. To about a quarter.
 *
 * @param groups of matrices whose curvature is in memory together, as indices
 * @param memory bytes at the peak
 * @param seconds of all steps
 */
record PruningEstimate(List<int[]> groups, long memory, double seconds) {

  /** The virtual machine, its code, LibTorch and their buffers. */
  private static final long BASE_MEMORY = 700L << 20;

  /** Floats that a block keeps of a token for the way back, in hidden and in inner widths. */
  private static final int HIDDEN_COPIES = 16;

  private static final int INNER_COPIES = 5;

  /**
   * LibTorch's speed in the products of a mini-batch, in that of our own large ones. Fitted to one
   * run, MiniLM's 158 s on two idle cores for 256 mini-batches of 1024 tokens; mini-batches of few
   * tokens are slower.
   */
  private static final double EFFICIENCY = 1.3;

  /** Of an encoder's tokens those that are predicted. */
  private static final double MASKED = 0.15;

  /** Floats of a predicted token's logits, in vocabularies. */
  private static final int LOGIT_COPIES = 4;

  /** Reading the model, and what a weight's statistics and their inverses take. */
  private static final double SECONDS = 2;

  private static final double SECONDS_A_WEIGHT = 1e-6;

  /**
   * @param weights of each matrix
   * @param names of each, for messages
   * @param limit bytes that all may take
   * @param flops what matrix products reach, in operations a second
   */
  static PruningEstimate of(
      Checkpoint source,
      GlobalMethod method,
      long[] weights,
      List<String> names,
      List<List<int[]>> batches,
      int steps,
      long limit,
      double flops) {
    var config = source.config();
    var architecture = source.architecture();
    long inBlocks = 0;
    for (int block = 0; block < config.blocks(); block++) {
      inBlocks += config.weights(architecture, block);
    }
    boolean predicts = architecture.has(Role.OUTPUT);
    boolean masked = architecture.has(Role.HEAD_TRANSFORM);
    long head = predicts ? (long) config.vocabulary() * config.hidden() : 0;
    double predicted = predicts ? masked ? MASKED : 1 : 0;
    long tokens =
        batches.stream()
            .mapToLong(
                batch ->
                    (long) batch.size()
                        * batch.stream().mapToInt(sequence -> sequence.length).max().orElse(0))
            .max()
            .orElse(0);
    long perToken =
        (long) config.blocks() * HIDDEN_COPIES * config.hidden()
            + INNER_COPIES * config.feedForwards()
            + Math.round(LOGIT_COPIES * predicted * config.vocabulary());
    long pruned = Arrays.stream(weights).sum();
    // The model in float32, the matrices once more, a score for each weight, and their gradients.
    long fixed = BASE_MEMORY + 4 * (inBlocks + head + 3 * pruned + tokens * perToken);
    var groups = group(method, weights, names, limit - fixed);
    long most =
        groups.stream()
            .mapToLong(group -> IntStream.of(group).mapToLong(i -> bytes(method, weights[i])).sum())
            .max()
            .orElse(0);
    double ofToken = 0;
    for (var group : groups) {
      double above = (double) Arrays.stream(weights, group[0], weights.length).sum() / pruned;
      double own = IntStream.of(group).mapToLong(i -> weights[i]).sum();
      double forward = inBlocks + predicted * head;
      // Nothing is differentiated below a group's first matrix.
      double backward = inBlocks * above + predicted * head + own;
      boolean again = method.ranks() && group != groups.getLast();
      ofToken += 2 * (forward + backward) * (again ? 2 : 1);
    }
    double operations = ofToken * tokens * batches.size() * steps / EFFICIENCY;
    double seconds = operations / flops + SECONDS + pruned * SECONDS_A_WEIGHT * steps;
    return new PruningEstimate(groups, fixed + most, seconds);
  }

  private static long bytes(GlobalMethod method, long weights) {
    return method.bytes(weights) + Collector.bytes(weights);
  }

  /** In order, each as large as fits. */
  private static List<int[]> group(
      GlobalMethod method, long[] weights, List<String> names, long room) {
    var groups = new ArrayList<int[]>();
    int from = 0;
    long filled = 0;
    for (int i = 0; i < weights.length; i++) {
      long bytes = bytes(method, weights[i]);
      if (bytes > room) {
        long curvature = room - Collector.bytes(weights[i]);
        throw new LatheException(
            "%s does not fit: %s needs %.2f GB for its gradients' statistics and %.2f GB are free; %s"
                .formatted(
                    method.name(),
                    names.get(i),
                    bytes / 1e9,
                    Math.max(0, room) / 1e9,
                    method
                        .smaller(weights[i], curvature)
                        .orElse("no setting makes it small enough, more memory would")));
      }
      if (filled + bytes > room) {
        groups.add(IntStream.range(from, i).toArray());
        from = i;
        filled = 0;
      }
      filled += bytes;
    }
    groups.add(IntStream.range(from, weights.length).toArray());
    return groups;
  }

  /** One line for people. */
  String summary(GlobalMethod method, int steps) {
    return String.format(
        Locale.ROOT,
        "estimate of %s: %.1f GB of memory, %s, %d gradients%s%s",
        method.name(),
        memory / 1e9,
        seconds < 120 ? Math.round(seconds) + " s" : Math.round(seconds / 60) + " min",
        method.gathering().gradients(),
        steps == 1 ? "" : " for each of " + steps + " steps",
        groups.size() == 1 ? "" : ", matrices in " + groups.size() + " groups");
  }

  static boolean prunable(Checkpoint source, Address address) {
    var parameter = source.architecture().parameter(address.role());
    return address.block() != Address.OUTSIDE
        && address.part() == Address.Part.WEIGHT
        && parameter.kind() == ai.lathe.model.architecture.Parameter.Kind.LINEAR
        && address.role() != Role.ROUTER;
  }
}

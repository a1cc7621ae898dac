package ai.lathe.compress.pruning.fisher;

import ai.lathe.compress.journal.Fingerprint;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.gradient.Gradients;
import ai.lathe.torch.gradient.Loss;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Comparator;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.stream.IntStream;

/**
 * Prunes the matrices of a model together: gradients, curvature, one threshold for all, and the
 * change of what stays, as often as the method has steps.
 *
 * <p>Curvature that does not fit in memory is collected for a group of matrices at a time. Scores
 * are then needed of all groups before any can be pruned, so gradients are computed anew for all
 * but the last; they are those of the model before the step, whatever has been pruned of it
 * meanwhile.
 */
public final class ModelPruner {

  /** Mini-batches, or a few more, whose gradients tell how large they are. */
  private static final int PROBES = 4;

  /**
   * @param matrices to prune; others stay as they are. Linear layers of blocks only, routers not
   *     among them
   * @param sequences for gradients
   * @param seed of losses that draw
   * @param memory bytes that the process may take
   * @param flops what this machine's matrix products reach, in operations a second
   * @param file where the pruned weights go
   * @param resume whether a file of the same model, data and method is used as it is
   */
  public record Request(
      GlobalMethod method,
      Predicate<Address> matrices,
      List<int[]> sequences,
      long seed,
      long memory,
      double flops,
      Path file,
      boolean resume) {}

  private final Checkpoint source;
  private final Request request;
  private final GlobalMethod method;
  private final Progress progress;
  private final Consumer<String> messages;
  private final List<Integer> silent = new ArrayList<>();

  private ModelPruner(
      Checkpoint source, Request request, Progress progress, Consumer<String> messages) {
    this.source = source;
    this.request = request;
    this.method = request.method();
    this.progress = progress;
    this.messages = messages;
  }

  /**
   * @param source stays open as long as the result
   * @param messages gets the estimate and what is out of the ordinary
   */
  public static PrunedCheckpoint prune(
      Checkpoint source, Request request, Progress progress, Consumer<String> messages) {
    return new ModelPruner(source, request, progress, messages).prune();
  }

  private PrunedCheckpoint prune() {
    var addresses = addresses();
    var batches = batches(request.sequences(), method.gathering());
    var fingerprint = fingerprint(addresses, batches);
    if (request.resume()) {
      var earlier = PrunedCheckpoint.reopen(source, request.file(), fingerprint);
      if (earlier.isPresent()) {
        messages.accept("note: %s is used as an earlier run left it".formatted(request.file()));
        return earlier.get();
      }
    }
    var loss = Losses.of(source, method.gathering().objective(), request.seed());
    loss.refusal(source.architecture())
        .ifPresent(
            why -> {
              throw new LatheException(why);
            });
    var directory = request.file().toAbsolutePath().getParent();
    try (var store = new WeightStore(source, addresses, directory)) {
      run(store, batches, loss);
      return PrunedCheckpoint.write(source, store, method.pattern(), request.file(), fingerprint);
    }
  }

  private void run(WeightStore store, List<List<int[]>> batches, Loss loss) {
    long total = 0;
    long zeros = 0;
    var weights = new long[store.size()];
    for (int i = 0; i < store.size(); i++) {
      weights[i] = store.weights(i);
      total += weights[i];
      zeros += zeros(store.read(i));
    }
    double already = (double) zeros / total;
    if (already >= method.sparsity() && method.ranks()) {
      messages.accept(
          "note: %.1f %% of the weights are zero already, so %s has nothing to do"
              .formatted(100 * already, method.name()));
      return;
    }
    if (zeros > 0) {
      messages.accept(
          "note: %.1f %% of the weights are zero already; they stay so, and count"
              .formatted(100 * already));
    }
    var steps = method.steps(already);
    var names = new ArrayList<String>();
    for (int i = 0; i < store.size(); i++) {
      names.add(source.name(store.address(i)));
    }
    var estimate =
        PruningEstimate.of(
            source,
            method,
            weights,
            names,
            batches,
            steps.size(),
            request.memory(),
            request.flops());
    messages.accept(estimate.summary(method, steps.size()));
    int groups = estimate.groups().size();
    long passes = (long) steps.size() * (method.ranks() ? 2L * groups - 1 : groups);
    try (var task = progress.start("gradients for " + method.name(), passes * batches.size())) {
      for (int i = 0; i < steps.size(); i++) {
        var objective = i == 0 ? Losses.first(loss, request.seed()) : loss;
        try (var gradients = new Gradients(store.model(), objective)) {
          step(store, estimate.groups(), gradients, batches, steps.get(i), task);
        }
      }
    }
    silent.stream()
        .distinct()
        .forEach(
            i ->
                messages.accept(
                    "note: no gradient reached %s: it was pruned by magnitude"
                        .formatted(source.name(store.address(i)))));
  }

  private void step(
      WeightStore store,
      List<int[]> groups,
      Gradients gradients,
      List<List<int[]>> batches,
      double sparsity,
      Progress.Task task) {
    double scale = scale(store, gradients, batches);
    Collector collector = null;
    int resident = -1;
    try {
      List<BitSet> chosen = null;
      if (method.ranks()) {
        try (var scores = new Scores(store, method.unit())) {
          for (int g = 0; g < groups.size(); g++) {
            if (collector != null) {
              collector.close();
            }
            collector =
                new Collector(
                    method, scale, store, groups.get(g), gradients, batches, silent, task);
            resident = g;
            for (int i = 0; i < groups.get(g).length; i++) {
              int matrix = groups.get(g)[i];
              var values = new float[store.weights(matrix) / method.unit()];
              method.score(store.read(matrix), collector.curvature(i), values);
              scores.put(matrix, values);
            }
          }
          chosen = scores.lowest(sparsity);
        }
      }
      // The last group's curvature is there still, so it comes first.
      for (int g = groups.size() - 1; g >= 0; g--) {
        if (resident != g) {
          if (collector != null) {
            collector.close();
          }
          collector =
              new Collector(method, scale, store, groups.get(g), gradients, batches, silent, task);
          resident = g;
        }
        for (int i = 0; i < groups.get(g).length; i++) {
          int matrix = groups.get(g)[i];
          var weights = store.read(matrix);
          var goes = chosen == null ? null : chosen.get(matrix);
          method.prune(weights, collector.curvature(i), sparsity, goes);
          store.write(matrix, weights);
        }
      }
    } finally {
      if (collector != null) {
        collector.close();
      }
    }
  }

  /** Mean square of the gradients of some mini-batches, over all weights that are not zero. */
  private static double scale(WeightStore store, Gradients gradients, List<List<int[]>> batches) {
    var addresses = IntStream.range(0, store.size()).mapToObj(store::address).toList();
    var sums = new double[2];
    int stride = Math.max(1, batches.size() / PROBES);
    for (int k = 0; k < batches.size(); k += stride) {
      gradients.of(
          batches.get(k),
          k,
          addresses,
          (i, values) -> {
            var weights = store.memory(i);
            int count = store.weights(i);
            for (int j = 0; j < count; j++) {
              boolean zero = weights.getAtIndex(ValueLayout.JAVA_FLOAT, j) == 0;
              double g = zero ? 0 : values.getAtIndex(ValueLayout.JAVA_FLOAT, j);
              sums[0] += g * g;
              sums[1] += zero ? 0 : 1;
            }
          });
    }
    // All zero: the collector says so, by name.
    return sums[0] > 0 ? sums[0] / sums[1] : 1;
  }

  private static long zeros(float[] weights) {
    long zeros = 0;
    for (float weight : weights) {
      zeros += weight == 0 ? 1 : 0;
    }
    return zeros;
  }

  private List<Address> addresses() {
    var addresses =
        source.addresses().stream()
            .filter(address -> PruningEstimate.prunable(source, address))
            .filter(request.matrices())
            .toList();
    if (addresses.isEmpty()) {
      throw new LatheException("the recipe's targets match no linear layer that can be pruned");
    }
    var fitting = new ArrayList<Address>();
    for (var address : addresses) {
      var matrix = source.matrix(address);
      var refusal = method.refusal(matrix.rows(), matrix.columns());
      refusal.ifPresentOrElse(
          why ->
              messages.accept("fallback: %s stays dense: %s".formatted(source.name(address), why)),
          () -> fitting.add(address));
    }
    if (fitting.isEmpty()) {
      throw new LatheException(
          "no matrix of this model can be pruned so: %s"
              .formatted(
                  method
                      .refusal(
                          source.matrix(addresses.getFirst()).rows(),
                          source.matrix(addresses.getFirst()).columns())
                      .orElseThrow()));
    }
    return fitting;
  }

  private String fingerprint(List<Address> addresses, List<List<int[]>> batches) {
    var sequences = batches.stream().flatMap(List::stream).toList();
    return Fingerprint.ofText(
        String.join(
            "\n",
            Fingerprint.of(source),
            method.toString(),
            addresses.toString(),
            Fingerprint.of(sequences),
            Long.toString(request.seed())));
  }

  /**
   * Mini-batches of sequences of similar length, so that little is padding. Refuses where there are
   * too few for as many as are asked for.
   */
  static List<List<int[]>> batches(List<int[]> sequences, Gathering gathering) {
    int gradients = gathering.gradients();
    int size =
        gathering
            .batch()
            .orElse(Math.clamp(sequences.size() / gradients, 1, Gathering.USUAL_BATCH));
    if ((long) gradients * size > sequences.size()) {
      throw new LatheException(
          "%s %d in mini-batches of %d takes %d sequences, and there are %d: give a longer text, shorter sequences, fewer gradients or a smaller %s"
              .formatted(
                  Gathering.GRADIENTS,
                  gradients,
                  size,
                  (long) gradients * size,
                  sequences.size(),
                  Gathering.BATCH));
    }
    var sorted =
        sequences.subList(0, gradients * size).stream()
            .sorted(Comparator.comparingInt(sequence -> sequence.length))
            .toList();
    var batches = new ArrayList<List<int[]>>();
    for (int from = 0; from < sorted.size(); from += size) {
      batches.add(sorted.subList(from, from + size));
    }
    return batches;
  }
}

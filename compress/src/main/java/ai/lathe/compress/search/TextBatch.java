package ai.lathe.compress.search;

import ai.lathe.compress.allocation.Allocation;
import ai.lathe.compress.allocation.Fitness;
import ai.lathe.compress.measure.Executor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Some text, in chunks of equal size, whatever memory there is, so that sums are the same to the
 * last bit. What is known of the original is found out when the first allocation is measured.
 */
final class TextBatch implements Fitness.Batch {

  private final ModelFitness fitness;
  private final List<Chunk> chunks = new ArrayList<>();
  private final List<int[]> sequences;
  private final int number;
  private final Map<Allocation, Double> known = new HashMap<>();
  private long logits;

  /**
   * @param number that no other batch of the fitness has
   */
  TextBatch(ModelFitness fitness, int number, List<int[]> sequences) {
    this.fitness = fitness;
    this.sequences = List.copyOf(sequences);
    this.number = number;
    var chunk = new ArrayList<int[]>();
    long tokens = 0;
    for (var sequence : sequences) {
      if (!chunk.isEmpty() && tokens + sequence.length > Executor.BATCH_TOKENS) {
        chunks.add(new Chunk(fitness, chunk));
        chunk.clear();
        tokens = 0;
      }
      chunk.add(sequence);
      tokens += sequence.length;
    }
    chunks.add(new Chunk(fitness, chunk));
  }

  @Override
  public double loss(Allocation allocation) {
    return losses(List.of(allocation))[0];
  }

  @Override
  public double[] losses(List<Allocation> allocations) {
    var unknown = allocations.stream().distinct().filter(a -> !known.containsKey(a)).toList();
    if (!unknown.isEmpty()) {
      measure(unknown);
    }
    return allocations.stream().mapToDouble(known::get).toArray();
  }

  private void measure(List<Allocation> allocations) {
    var sums = new double[allocations.size()];
    double weights = 0;
    for (int i = 0; i < chunks.size(); i++) {
      var chunk = chunks.get(i);
      var tree = new PrefixTree(fitness.stages(), fitness.states(), number, i, chunk::run);
      if (!chunk.prepared()) {
        var original = List.of(fitness.stages().original());
        tree.run(original, (states, _) -> logits += chunk.original(states));
      }
      double weight = chunk.weight();
      tree.run(
          allocations,
          (states, index) -> sums[index] += weight * chunk.loss(allocations.get(index), states));
      weights += weight;
    }
    for (int i = 0; i < sums.length; i++) {
      known.put(allocations.get(i), sums[i] / weights);
    }
  }

  List<int[]> sequences() {
    return sequences;
  }

  @Override
  public void close() {
    chunks.forEach(Chunk::close);
    fitness.states().drop(number);
    fitness.releaseLogits(logits);
  }
}

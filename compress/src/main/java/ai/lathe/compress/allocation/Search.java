package ai.lathe.compress.allocation;

import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Measures allocations on one text, each once, and remembers the best. */
final class Search implements AutoCloseable {

  /** Tokens to measure on, where a search is not told; the fewest that EvoPress measures on. */
  static final int USUAL_TOKENS = 2048;

  private final Fitness.Batch batch;
  private final Progress.Task task;
  private final Map<Allocation, Double> measured = new HashMap<>();
  private final List<Allocator.Step> history = new ArrayList<>();
  private Allocation best;
  private double least = Double.POSITIVE_INFINITY;

  /**
   * @param allocator whose search it is
   * @param tokens to measure on, as far as there are so many
   * @param total allocations that will be measured; negative where nobody knows
   * @throws LatheException where there is nothing to measure on
   */
  Search(Problem problem, Allocator allocator, int tokens, long total) {
    var fitness = fitness(problem, allocator);
    int drawn = (int) Math.min(tokens, fitness.tokens());
    batch = fitness.draw(drawn, new java.util.SplittableRandom(problem.seed()));
    task = problem.progress().start(allocator.name(), total);
  }

  /** What a search measures with. */
  static Fitness fitness(Problem problem, Allocator allocator) {
    return problem
        .fitness()
        .orElseThrow(
            () ->
                new LatheException(
                    "%s measures allocations on the model, and there is no text to measure on; %s needs none"
                        .formatted(allocator.name(), Knapsack.USUAL.name())));
  }

  /** Infinite where what was measured is no number. */
  double loss(Allocation allocation) {
    var known = measured.get(allocation);
    if (known != null) {
      return known;
    }
    double loss = batch.loss(allocation);
    if (Double.isNaN(loss)) {
      loss = Double.POSITIVE_INFINITY;
    }
    measured.put(allocation, loss);
    task.advance(1);
    if (best == null || loss < least) {
      best = allocation;
      least = loss;
      history.add(new Allocator.Step(history.size(), measured.size(), loss));
      task.note("loss %.6g".formatted(loss));
    }
    return loss;
  }

  long evaluated() {
    return measured.size();
  }

  /** The best of all that were measured; of equal ones the first. */
  Allocator.Result result(String... notes) {
    return new Allocator.Result(best, least, Double.NaN, history, List.of(notes));
  }

  List<Allocator.Step> history() {
    return history;
  }

  @Override
  public void close() {
    task.close();
    batch.close();
  }
}

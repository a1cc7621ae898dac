package ai.lathe.compress.allocation;

import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.util.Arrays;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * What an allocator is to solve. An option whose loss is not finite (a layer that a method broke, a
 * measure that overflowed) is chosen only where its unit has no other.
 *
 * @param costs {@code [unit][option]}, not negative: bytes, or nanoseconds
 * @param budget that the sum of costs must not exceed; at least {@link #least}
 * @param losses {@code [unit][option]}, taken to add up
 * @param fitness measures whole allocations on the model; empty where nobody can
 * @param seed of all random choices: the same problem with the same seed has the same result
 */
public record Problem(
    LevelTable table,
    long[][] costs,
    long budget,
    double[][] losses,
    Optional<Fitness> fitness,
    long seed,
    Progress progress) {

  /** Whole numbers up to here are sums of doubles without rounding. */
  private static final long EXACT = 1L << 53;

  public Problem {
    int units = table.units().size();
    if (costs.length != units || losses.length != units) {
      throw new IllegalArgumentException("costs or losses of another table");
    }
    long sum = 0;
    for (int unit = 0; unit < units; unit++) {
      var options = table.units().get(unit).options();
      if (costs[unit].length != options.size() || losses[unit].length != options.size()) {
        throw new IllegalArgumentException("costs or losses of another table, unit " + unit);
      }
      var range = Arrays.stream(costs[unit]).summaryStatistics();
      if (range.getMin() < 0 || range.getMax() > EXACT - sum) {
        throw new LatheException(
            "costs up to %s sum to more than 2^53, or one is negative"
                .formatted(table.units().get(unit).name()));
      }
      sum += range.getMax();
    }
  }

  Problem withLosses(double[][] others) {
    return new Problem(table, costs, budget, others, fitness, seed, progress);
  }

  /** Whether an option may be chosen, {@code [unit][option]}. */
  public boolean[][] usable() {
    return Arrays.stream(losses).map(Front::usable).toArray(boolean[][]::new);
  }

  /** The cheapest usable option of each unit. */
  public Allocation cheapest() {
    var usable = usable();
    return new Allocation(
        IntStream.range(0, costs.length)
            .map(
                unit ->
                    IntStream.range(0, costs[unit].length)
                        .filter(option -> usable[unit][option])
                        .boxed()
                        .min((a, b) -> Long.compare(costs[unit][a], costs[unit][b]))
                        .orElseThrow())
            .boxed()
            .toList());
  }

  /** The least that any allocation of usable options costs. */
  public long least() {
    return cheapest().cost(costs);
  }

  /** The most that any allocation costs. */
  public long most() {
    return Arrays.stream(costs).mapToLong(unit -> Arrays.stream(unit).max().orElseThrow()).sum();
  }

  public boolean fits(Allocation allocation) {
    return allocation.cost(costs) <= budget;
  }

  /**
   * @throws LatheException where no allocation fits
   */
  void requireFeasible() {
    long least = least();
    if (least > budget) {
      throw new LatheException(
          "a budget of %,d is less than any choice of levels costs: the least is %,d"
              .formatted(budget, least));
    }
  }

  /** Costs as {@link MultipleChoice} takes them. */
  double[][] exactCosts() {
    return Arrays.stream(costs)
        .map(unit -> Arrays.stream(unit).asDoubleStream().toArray())
        .toArray(double[][]::new);
  }
}

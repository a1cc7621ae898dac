package ai.lathe.compress.allocation;

import ai.lathe.tensor.Progress;
import java.util.Optional;

/**
 * What an allocator is to solve.
 *
 * @param costs {@code [unit][option]}, not negative: bytes, or nanoseconds
 * @param budget that the sum of costs must not exceed; at least the sum of the least ones
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

  /** The least that any allocation costs. */
  public long least() {
    long sum = 0;
    for (var unit : costs) {
      sum = Math.addExact(sum, java.util.Arrays.stream(unit).min().orElseThrow());
    }
    return sum;
  }

  /** The most that any allocation costs. */
  public long most() {
    long sum = 0;
    for (var unit : costs) {
      sum = Math.addExact(sum, java.util.Arrays.stream(unit).max().orElseThrow());
    }
    return sum;
  }

  public boolean fits(Allocation allocation) {
    return allocation.cost(costs) <= budget;
  }
}

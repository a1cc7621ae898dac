package ai.lathe.compress.allocation;

import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.LatheException;
import java.util.List;

/**
 * The allocation of least summed loss, exactly, to the byte: the multiple-choice knapsack of
 * AdaQuant (<a href="https://arxiv.org/abs/2006.10518">Hubara et al. 2020</a>), ROCKET and SLQ,
 * without their rounding of costs into buckets. What the optimum leaves of the budget is spent
 * where losses are equal.
 *
 * @param states pairs of cost and loss to keep at a time, at most. With fewer than the optimum
 *     takes, {@code bound} of the result is below its loss, by the gap that cannot be excluded, and
 *     a note says so
 */
public record Knapsack(int states) implements Allocator {

  static final List<String> KEYS = List.of("states");

  /** Some 50 MB. */
  static final int USUAL_STATES = 1 << 23;

  public static final Knapsack USUAL = new Knapsack(USUAL_STATES);

  static Knapsack read(Settings given) {
    return new Knapsack(given.integer("states", USUAL_STATES));
  }

  public Knapsack {
    if (states < 1) {
      throw new LatheException("knapsack's states are at least 1, not " + states);
    }
  }

  @Override
  public String name() {
    return "knapsack";
  }

  @Override
  public boolean searches() {
    return false;
  }

  @Override
  public Result allocate(Problem problem) {
    problem.requireFeasible();
    var found =
        new MultipleChoice(problem.exactCosts(), problem.losses(), problem.budget()).solve(states);
    var allocation = Leftover.spent(problem, Allocation.of(found.choices()));
    return new Result(allocation, found.loss(), found.bound(), List.of(), List.of(told(found)));
  }

  private static String told(MultipleChoice.Solution found) {
    return found.optimal()
        ? "the least sum of losses, %.6g".formatted(found.loss())
        : "a sum of losses of %.6g, at most %.2g %% above the least: more states would tell"
            .formatted(
                found.loss(), 100 * (found.loss() - found.bound()) / Math.abs(found.bound()));
  }
}

package ai.lathe.compress.allocation;

import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.LatheException;
import java.util.List;
import java.util.Optional;

/**
 * The knapsack the other way round, as in L-GreCo (<a
 * href="https://arxiv.org/abs/2210.17357">Alimohammadi et al. 2022</a>): the least cost whose
 * losses sum to no more than those of the uniform allocation. So the budget is what the uniform
 * allocation may cost, and what this one saves of it is left unspent.
 *
 * @param slack factor on the uniform allocation's loss
 */
public record LGreco(double slack) implements Allocator {

  static final List<String> KEYS = List.of("slack");

  static LGreco read(Settings given) {
    return new LGreco(given.number("slack", 1));
  }

  public LGreco {
    if (!(slack >= 1) || slack == Double.POSITIVE_INFINITY) {
      throw new LatheException("lgreco's slack is a number, 1 or greater, not " + slack);
    }
  }

  @Override
  public String name() {
    return "lgreco";
  }

  @Override
  public boolean searches() {
    return false;
  }

  @Override
  public Result allocate(Problem problem) {
    var uniform = new Uniform().allocate(problem);
    long before = uniform.allocation().cost(problem.costs());
    var found =
        least(problem, uniform.loss() + (slack - 1) * Math.abs(uniform.loss()))
            .filter(least -> least.cost() <= before)
            .orElse(new Least(uniform.allocation(), before, before));
    var note =
        "a cost of %,d for a loss that the uniform allocation has at %,d"
            .formatted(found.cost(), before);
    return new Result(
        found.allocation(),
        Losses.sum(problem, found.allocation()),
        Double.NaN,
        List.of(),
        List.of(note));
  }

  /**
   * @param cost of the allocation
   * @param bound that no allocation of as little loss costs less than
   */
  public record Least(Allocation allocation, long cost, long bound) {}

  /**
   * The least cost whose losses sum to no more than a limit, whatever the problem's budget, and the
   * least loss at that cost; empty where no losses do.
   */
  public static Optional<Least> least(Problem problem, double limit) {
    // Losses that are not finite are no costs: the options are taken away by what they cost.
    var usable = problem.usable();
    var costs = problem.exactCosts();
    var losses = problem.losses().clone();
    for (int unit = 0; unit < costs.length; unit++) {
      losses[unit] = losses[unit].clone();
      for (int option = 0; option < costs[unit].length; option++) {
        if (!usable[unit][option]) {
          costs[unit][option] = Double.POSITIVE_INFINITY;
        }
        if (!Double.isFinite(losses[unit][option])) {
          losses[unit][option] = 0;
        }
      }
    }
    var dual = new MultipleChoice(losses, costs, limit);
    if (!dual.feasible()) {
      return Optional.empty();
    }
    var found = dual.solve(Knapsack.USUAL_STATES);
    long cost = (long) found.loss();
    var best =
        new MultipleChoice(problem.exactCosts(), problem.losses(), cost)
            .solve(Knapsack.USUAL_STATES);
    return Optional.of(
        new Least(Allocation.of(best.choices()), cost, (long) Math.ceil(found.bound())));
  }
}

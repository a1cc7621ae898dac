package ai.lathe.compress.allocation;

import java.util.List;

/**
 * From the cheapest option of each unit upwards, each time where a byte takes away most loss, along
 * the convex hull of each unit's options; then what is left is spent wherever a loss still falls.
 * The bound is that of the relaxation in which a unit may stand between two options.
 */
public record Greedy() implements Allocator {

  @Override
  public String name() {
    return "greedy";
  }

  @Override
  public boolean searches() {
    return false;
  }

  @Override
  public Result allocate(Problem problem) {
    problem.requireFeasible();
    var found =
        new MultipleChoice(problem.exactCosts(), problem.losses(), problem.budget()).greedy();
    var allocation = Leftover.spent(problem, Allocation.of(found.choices()));
    double loss = Losses.sum(problem, allocation);
    return new Result(allocation, loss, Math.min(loss, found.bound()), List.of());
  }
}

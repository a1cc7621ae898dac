package ai.lathe.compress.allocation;

import java.util.List;

/**
 * A way to choose levels under a budget. Implementations are records of their settings: one config,
 * one file.
 */
public interface Allocator {

  /** As {@code --allocator} takes it. */
  String name();

  /** Whether it measures allocations on the model, and needs {@link Problem#fitness}. */
  boolean searches();

  /**
   * An allocation that costs no more than the budget.
   *
   * @throws ai.lathe.tensor.LatheException where there is none; the message tells the least cost
   */
  Result allocate(Problem problem);

  /**
   * What was found.
   *
   * @param loss of it, as the allocator judges: a sum of losses, or a measured fitness
   * @param bound that no allocation's loss is below, where the allocator can tell; NaN elsewhere
   * @param history of a search, oldest first; empty where there was none
   * @param notes what there is to know of how it was found, a line each
   */
  record Result(
      Allocation allocation, double loss, double bound, List<Step> history, List<String> notes) {
    public Result {
      history = List.copyOf(history);
      notes = List.copyOf(notes);
    }

    public Result(Allocation allocation, double loss, double bound, List<Step> history) {
      this(allocation, loss, bound, history, List.of());
    }
  }

  /**
   * A step of a search.
   *
   * @param evaluated allocations measured so far
   * @param loss of the best one, as measured in this step
   */
  record Step(int step, long evaluated, double loss) {}
}

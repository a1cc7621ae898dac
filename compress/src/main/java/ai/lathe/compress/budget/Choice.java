package ai.lathe.compress.budget;

import ai.lathe.compress.allocation.Allocation;
import ai.lathe.compress.allocation.Allocator;

/**
 * What an allocator chose under a budget.
 *
 * @param mixture that it is a choice of levels for
 * @param cost what the budget counts
 * @param budget of all units, in that cost
 * @param used of it
 * @param bytes of all units
 * @param artifactBytes of the whole artifact
 */
public record Choice(
    Allocator.Result result,
    Mixture mixture,
    Cost cost,
    long budget,
    long used,
    long bytes,
    long artifactBytes) {

  /** What a budget counts. */
  public enum Cost {
    BYTES,
    NANOSECONDS
  }

  public Allocation allocation() {
    return result.allocation();
  }
}

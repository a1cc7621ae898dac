package ai.lathe.compress.budget;

import ai.lathe.compress.allocation.Allocation;
import ai.lathe.compress.allocation.Allocator;
import ai.lathe.compress.allocation.Fitness;
import ai.lathe.compress.allocation.Measure;
import ai.lathe.compress.allocation.Problem;
import ai.lathe.compress.budget.Choice.Cost;
import ai.lathe.tensor.Progress;
import java.util.Arrays;
import java.util.Optional;

/** Asks an allocator for the best levels within so many bytes or nanoseconds. */
public final class Chooser {

  /**
   * Of a file, kept back from allocators that search for long: headers differ by what is chosen,
   * and to search again for a few bytes too many would cost as much as the first time.
   */
  private static final double RESERVE = 1e-3;

  /** Bytes that naming one tensor more takes, about. */
  private static final long HEADER = 128;

  /** Budgets tried for one size of a file. */
  private static final int ROUNDS = 8;

  private final Mixture mixture;
  private final Allocator allocator;
  private final double[][] losses;
  private final Optional<Fitness> fitness;
  private final long seed;
  private final Progress progress;

  /**
   * @param fitness for allocators that search
   */
  public Chooser(
      Mixture mixture,
      Allocator allocator,
      Measure measure,
      Optional<Fitness> fitness,
      long seed,
      Progress progress) {
    this.mixture = mixture;
    this.allocator = allocator;
    this.losses = mixture.table().losses(measure);
    this.fitness = fitness;
    this.seed = seed;
    this.progress = progress;
  }

  public Mixture mixture() {
    return mixture;
  }

  /** Within bytes of the units alone. */
  public Choice withinBytes(long budget) {
    return choose(mixture.table().bytes(), Cost.BYTES, budget);
  }

  /**
   * Within nanoseconds of a token's way through the units.
   *
   * @param times {@code [unit][option]}
   */
  public Choice withinTime(long[][] times, long budget) {
    return choose(times, Cost.NANOSECONDS, budget);
  }

  /**
   * Within bytes of the whole artifact. What is outside the units, headers for example, depends on
   * what is chosen; so the budget of the units is set anew until the file fits and no more can be
   * had.
   *
   * @param size at least that of {@link #smallest()}
   */
  public Choice withinArtifact(long size) {
    var least = smallest();
    long reserve = allocator.searches() ? (long) (RESERVE * size) : 0;
    long budget = size - mixture.overhead(least) - reserve;
    long floor = least.cost(mixture.table().bytes());
    Choice best = null;
    for (int round = 0; round < ROUNDS; round++) {
      var choice = withinBytes(Math.max(budget, floor));
      // What this file would leave to its units if it were of exactly the size asked for.
      long next = size - (choice.artifactBytes() - choice.bytes()) - reserve;
      if (choice.artifactBytes() <= size) {
        best = best == null || choice.bytes() > best.bytes() ? choice : best;
        if (next <= budget || allocator.searches()) {
          break;
        }
      } else {
        // With fewer bytes headers may grow again: each time a little more is kept back.
        next -= (long) round * round * HEADER;
        if (best != null && next <= best.bytes()) {
          break;
        }
      }
      budget = next;
    }
    return best != null ? best : withinBytes(floor);
  }

  private Choice choose(long[][] costs, Cost cost, long budget) {
    var result =
        allocator.allocate(
            new Problem(mixture.table(), costs, budget, losses, fitness, seed, progress));
    return choice(result, costs, cost, budget);
  }

  private Choice choice(Allocator.Result result, long[][] costs, Cost cost, long budget) {
    var allocation = result.allocation();
    long used = allocation.cost(costs);
    if (used > budget) {
      throw new IllegalStateException(
          "%s used %d of a budget of %d".formatted(allocator.name(), used, budget));
    }
    return new Choice(
        result,
        mixture,
        cost,
        budget,
        used,
        allocation.cost(mixture.table().bytes()),
        mixture.artifactBytes(allocation));
  }

  /** The cheapest option of each unit. */
  public Allocation smallest() {
    return cheapest(mixture.table().bytes());
  }

  /** Everything as it was. */
  public Allocation original() {
    return new Allocation(
        mixture.table().units().stream().map(unit -> unit.options().size() - 1).toList());
  }

  static Allocation cheapest(long[][] costs) {
    return new Allocation(
        Arrays.stream(costs)
            .map(
                unit -> {
                  int least = 0;
                  for (int option = 1; option < unit.length; option++) {
                    least = unit[option] < unit[least] ? option : least;
                  }
                  return least;
                })
            .toList());
  }

  public double loss(Allocation allocation) {
    return allocation.loss(losses);
  }
}

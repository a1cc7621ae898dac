package ai.lathe.compress.allocation;

import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * One level for all units: of those that fit, the one of least loss. Where the budget lies between
 * that level and the next, part of the units get the next one, spread evenly over the depth of the
 * model by what they cost: losses are not looked at, so that the mixture is what a budget between
 * two levels fairly is without them.
 *
 * <p>A unit that lacks the level (a shape that it cannot be stored in, a table outside the blocks)
 * gets its option whose cost a weight is nearest the level's in the other units.
 */
public record Uniform() implements Allocator {

  @Override
  public String name() {
    return "uniform";
  }

  @Override
  public boolean searches() {
    return false;
  }

  @Override
  public Result allocate(Problem problem) {
    problem.requireFeasible();
    var around = around(problem);
    var base = around.lower();
    var mixed = around.next().isPresent() ? mixed(problem, base, around.upper()) : base;
    var note =
        around.below().map(level -> "all " + level.name()).orElse("the cheapest level of each unit")
            + (mixed.equals(base)
                ? ""
                : ", %d of %d units %s"
                    .formatted(
                        changed(base, mixed), mixed.choices().size(), around.next().get().name()));
    return new Result(mixed, Losses.sum(problem, mixed), Double.NaN, List.of(), List.of(note));
  }

  /**
   * What a budget lies between.
   *
   * @param below the best level that fits; empty where none does
   * @param lower that, or the cheapest options
   * @param next the next level that is better and does not fit; empty where there is none
   */
  record Around(Optional<Uniformly> below, Allocation lower, Optional<Uniformly> next) {

    /** The next level's, or {@code lower} where there is none. */
    Allocation upper() {
      return next.map(Uniformly::allocation).orElse(lower);
    }
  }

  static Around around(Problem problem) {
    var levels = levels(problem);
    var below =
        levels.stream()
            .filter(level -> problem.fits(level.allocation()))
            .min(Comparator.comparingDouble(Uniformly::loss));
    var lower = below.map(Uniformly::allocation).orElse(problem.cheapest());
    double loss = Losses.sum(problem, lower);
    // More loss for more bytes is no next level. The cheapest options may be of several levels.
    var next =
        levels.stream()
            .filter(level -> !problem.fits(level.allocation()))
            .filter(level -> below.isEmpty() || level.loss() < loss)
            .min(Comparator.comparingLong(Uniformly::cost));
    return new Around(below, lower, next);
  }

  /**
   * A level given to all units.
   *
   * @param cost of all units
   */
  record Uniformly(String name, Allocation allocation, long cost, double loss) {}

  /** All levels, each given to all units, in ascending order of cost. */
  static List<Uniformly> levels(Problem problem) {
    var names = new LinkedHashSet<String>();
    problem.table().units().forEach(unit -> unit.options().forEach(o -> names.add(o.level())));
    return names.stream()
        .map(name -> level(problem, name))
        .sorted(Comparator.comparingLong(Uniformly::cost))
        .toList();
  }

  private static Uniformly level(Problem problem, String name) {
    var units = problem.table().units();
    var usable = problem.usable();
    var choices = new int[units.size()];
    double cost = 0;
    double weights = 0;
    for (int unit = 0; unit < choices.length; unit++) {
      choices[unit] = option(units.get(unit), usable[unit], name);
      if (choices[unit] >= 0) {
        cost += problem.costs()[unit][choices[unit]];
        weights += units.get(unit).weights();
      }
    }
    double usual = cost / weights;
    for (int unit = 0; unit < choices.length; unit++) {
      if (choices[unit] < 0) {
        double wanted = usual * units.get(unit).weights();
        var costs = problem.costs()[unit];
        var allowed = usable[unit];
        choices[unit] =
            IntStream.range(0, costs.length)
                .filter(option -> allowed[option])
                .boxed()
                .min(Comparator.comparingDouble(option -> Math.abs(costs[option] - wanted)))
                .orElseThrow();
      }
    }
    var allocation = Allocation.of(choices);
    return new Uniformly(
        name, allocation, allocation.cost(problem.costs()), Losses.sum(problem, allocation));
  }

  private static int option(Unit unit, boolean[] usable, String level) {
    return IntStream.range(0, usable.length)
        .filter(option -> usable[option] && unit.options().get(option).level().equals(level))
        .findFirst()
        .orElse(-1);
  }

  /** As many units of the upper level as fit, spread evenly; then others that still fit. */
  private static Allocation mixed(Problem problem, Allocation lower, Allocation upper) {
    var costs = problem.costs();
    var choices = lower.choices().stream().mapToInt(Integer::intValue).toArray();
    long spare = problem.budget() - lower.cost(costs);
    var more =
        IntStream.range(0, choices.length)
            .mapToLong(unit -> costs[unit][upper.choice(unit)] - costs[unit][lower.choice(unit)])
            .toArray();
    double share = (double) spare / Arrays.stream(more).filter(cost -> cost > 0).sum();
    long left = spare;
    double due = 0;
    for (int unit = 0; unit < choices.length; unit++) {
      due += share * Math.max(0, more[unit]);
      if (more[unit] > 0 && due >= more[unit] / 2.0 && more[unit] <= left) {
        choices[unit] = upper.choice(unit);
        due -= more[unit];
        left -= more[unit];
      }
    }
    for (int unit = 0; unit < choices.length; unit++) {
      if (choices[unit] != upper.choice(unit) && more[unit] > 0 && more[unit] <= left) {
        choices[unit] = upper.choice(unit);
        left -= more[unit];
      }
    }
    return Allocation.of(choices);
  }

  private static long changed(Allocation a, Allocation b) {
    return IntStream.range(0, a.choices().size())
        .filter(unit -> a.choice(unit) != b.choice(unit))
        .count();
  }
}

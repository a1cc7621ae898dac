package ai.lathe.compress.allocation;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import java.util.random.RandomGenerator;

/**
 * EvoPress's mutation: some unit goes down one level and some unit up one, {@code f = min(U{1..3},
 * U{1..3})} times, and the sum of costs stays within the budget. What a switch leaves of the budget
 * is spent on units drawn at random, as far as a level more of any fits.
 *
 * <p>Levels are options that are worth their cost: of less loss than all cheaper ones.
 */
final class LevelSwitch {

  /** Switches tried before a parent is said to have no child. */
  private static final int ATTEMPTS = 100;

  private final Problem problem;

  /** Options by level, {@code [unit][level]}, in ascending order of cost. */
  private final int[][] ladders;

  /** Units of which some go down and some up together. */
  private final List<int[]> groups;

  private final boolean anySizes;

  /**
   * @param starts their options are levels too
   * @param anySizes units of different costs may be switched; otherwise those of equal ones alone,
   *     as long as there are any
   */
  LevelSwitch(Problem problem, List<Allocation> starts, boolean anySizes) {
    this.problem = problem;
    int units = problem.costs().length;
    ladders = new int[units][];
    for (int unit = 0; unit < units; unit++) {
      ladders[unit] = ladder(unit, starts);
    }
    var equal = equal();
    this.anySizes = anySizes || equal.isEmpty();
    groups = this.anySizes ? List.of(all(units)) : equal;
  }

  private int[] ladder(int unit, List<Allocation> starts) {
    var costs = problem.costs()[unit];
    var front = Front.of(problem.exactCosts()[unit], problem.losses()[unit]);
    var levels =
        new TreeSet<Integer>(
            (a, b) ->
                costs[a] == costs[b] ? Integer.compare(a, b) : Long.compare(costs[a], costs[b]));
    Arrays.stream(front.options()).forEach(levels::add);
    starts.forEach(start -> levels.add(start.choice(unit)));
    return levels.stream().mapToInt(Integer::intValue).toArray();
  }

  private List<int[]> equal() {
    var byCosts = new LinkedHashMap<List<Long>, List<Integer>>();
    for (int unit = 0; unit < ladders.length; unit++) {
      var costs = problem.costs()[unit];
      var key = Arrays.stream(ladders[unit]).mapToObj(option -> costs[option]).toList();
      byCosts.computeIfAbsent(key, _ -> new ArrayList<>()).add(unit);
    }
    return byCosts.entrySet().stream()
        .filter(group -> group.getKey().size() > 1 && group.getValue().size() > 1)
        .map(group -> group.getValue().stream().mapToInt(Integer::intValue).toArray())
        .toList();
  }

  private static int[] all(int units) {
    var all = new int[units];
    Arrays.setAll(all, unit -> unit);
    return all;
  }

  /** Whether only units of equal costs are switched. */
  boolean equalSizes() {
    return !anySizes;
  }

  /** Another allocation within the budget; empty where none was found. */
  Optional<Allocation> child(Allocation parent, RandomGenerator random) {
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
      var levels = levels(parent);
      var moved = new int[levels.length];
      int switches = Math.min(random.nextInt(1, 4), random.nextInt(1, 4));
      for (int i = 0; i < switches; i++) {
        change(levels, moved, random);
      }
      if (anySizes) {
        lower(levels, moved, random);
      }
      raise(levels, moved, random);
      var child = allocation(levels);
      if (problem.fits(child) && !child.equals(parent)) {
        return Optional.of(child);
      }
    }
    return Optional.empty();
  }

  /** One unit of a group down and one up, which may be the same. */
  private void change(int[] levels, int[] moved, RandomGenerator random) {
    int drawn = random.nextInt(groups.stream().mapToInt(group -> group.length).sum());
    int index = 0;
    while (drawn >= groups.get(index).length) {
      drawn -= groups.get(index++).length;
    }
    var group = groups.get(index);
    var down = Arrays.stream(group).filter(unit -> levels[unit] > 0).toArray();
    var up = Arrays.stream(group).filter(unit -> levels[unit] < ladders[unit].length - 1).toArray();
    if (down.length > 0 && up.length > 0) {
      move(levels, moved, down[random.nextInt(down.length)], -1);
      move(levels, moved, up[random.nextInt(up.length)], 1);
    }
  }

  /** Brings what is above the budget back into it, by units that were not raised. */
  private void lower(int[] levels, int[] moved, RandomGenerator random) {
    long over = allocation(levels).cost(problem.costs()) - problem.budget();
    var units = shuffled(levels.length, random);
    for (int i = 0; i < units.length && over > 0; i++) {
      int unit = units[i];
      if (moved[unit] <= 0 && levels[unit] > 0) {
        over -= step(unit, levels[unit] - 1);
        move(levels, moved, unit, -1);
      }
    }
  }

  /** Spends what is left on units that were not lowered. */
  private void raise(int[] levels, int[] moved, RandomGenerator random) {
    long left = problem.budget() - allocation(levels).cost(problem.costs());
    var units = shuffled(levels.length, random);
    for (int i = 0; i < units.length && left > 0; i++) {
      int unit = units[i];
      if (moved[unit] >= 0
          && levels[unit] < ladders[unit].length - 1
          && step(unit, levels[unit]) <= left) {
        left -= step(unit, levels[unit]);
        move(levels, moved, unit, 1);
      }
    }
  }

  private static void move(int[] levels, int[] moved, int unit, int by) {
    levels[unit] += by;
    moved[unit] += by;
  }

  /** What the next level costs more than this one. */
  private long step(int unit, int level) {
    var costs = problem.costs()[unit];
    return costs[ladders[unit][level + 1]] - costs[ladders[unit][level]];
  }

  private int[] levels(Allocation allocation) {
    var levels = new int[ladders.length];
    for (int unit = 0; unit < levels.length; unit++) {
      while (ladders[unit][levels[unit]] != allocation.choice(unit)) {
        levels[unit]++;
      }
    }
    return levels;
  }

  private Allocation allocation(int[] levels) {
    var choices = new int[levels.length];
    Arrays.setAll(choices, unit -> ladders[unit][levels[unit]]);
    return Allocation.of(choices);
  }

  static int[] shuffled(int count, RandomGenerator random) {
    var order = all(count);
    for (int i = count - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      int swapped = order[i];
      order[i] = order[j];
      order[j] = swapped;
    }
    return order;
  }
}

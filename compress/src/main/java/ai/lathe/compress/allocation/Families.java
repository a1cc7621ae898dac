package ai.lathe.compress.allocation;

import ai.lathe.compress.allocation.Option.Family;
import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The knapsack over bits, zeros and factors together, unless the model loses less with a choice
 * from fewer of them. Losses of layers add up well among levels of one kind and less so across
 * kinds, so that the least sum is not always the best mixture; to measure each knapsack's choice
 * once tells.
 *
 * @param tokens to measure on, at most
 */
public record Families(int tokens) implements Allocator {

  static final List<String> KEYS = List.of("tokens");

  private static final int USUAL_TOKENS = 8192;

  static Families read(Settings given) {
    return new Families(given.integer("tokens", USUAL_TOKENS));
  }

  public Families {
    if (tokens < 1) {
      throw new LatheException("families' tokens are at least 1, not " + tokens);
    }
  }

  @Override
  public String name() {
    return "families";
  }

  @Override
  public boolean searches() {
    return true;
  }

  @Override
  public Result allocate(Problem problem) {
    problem.requireFeasible();
    var choices = choices(problem);
    var notes = new ArrayList<String>();
    try (var search = new Search(problem, this, tokens, choices.size())) {
      choices.forEach(
          (allocation, families) ->
              notes.add("%s: loss %.6g".formatted(families, search.loss(allocation))));
      return search.result(notes.toArray(String[]::new));
    }
  }

  /** What the knapsack chooses from all families, and from fewer, with their names. */
  private static Map<Allocation, String> choices(Problem problem) {
    var choices = new LinkedHashMap<Allocation, String>();
    for (var families : subsets(present(problem.table()))) {
      var one = only(problem, families);
      if (one.least() <= problem.budget()) {
        var name = families.stream().map(Family::toString).collect(Collectors.joining(" and "));
        choices.merge(
            Knapsack.USUAL.allocate(one).allocation(), name, (all, fewer) -> all + "; " + fewer);
      }
    }
    return choices;
  }

  private static Set<Family> present(LevelTable table) {
    return table.units().stream()
        .flatMap(unit -> unit.options().stream())
        .map(Option::family)
        .collect(Collectors.toCollection(() -> EnumSet.noneOf(Family.class)));
  }

  /** Largest first, none of them empty. */
  private static List<Set<Family>> subsets(Set<Family> all) {
    var list = List.copyOf(all);
    var subsets = new ArrayList<Set<Family>>();
    for (int bits = 1; bits < 1 << list.size(); bits++) {
      var subset = EnumSet.noneOf(Family.class);
      for (int i = 0; i < list.size(); i++) {
        if ((bits >> i & 1) == 1) {
          subset.add(list.get(i));
        }
      }
      subsets.add(subset);
    }
    subsets.sort((a, b) -> b.size() - a.size());
    return subsets;
  }

  /** The problem of choosing from these families alone, or leaving a unit as it is. */
  public static Problem only(Problem problem, Set<Family> families) {
    var table = problem.table();
    var losses = new double[problem.losses().length][];
    for (int unit = 0; unit < losses.length; unit++) {
      var options = table.units().get(unit).options();
      losses[unit] = problem.losses()[unit].clone();
      // The last one is the original.
      for (int option = 0; option < options.size() - 1; option++) {
        if (!families.contains(options.get(option).family())) {
          // What is not finite is not chosen where there is something else.
          losses[unit][option] = Double.POSITIVE_INFINITY;
        }
      }
    }
    return problem.withLosses(losses);
  }
}

package ai.lathe.compress.allocation;

import ai.lathe.compress.allocation.Option.Family;
import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
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
 * @param among families to choose from
 */
public record Families(int tokens, Set<Family> among) implements Allocator {

  private static final String ONLY = "only";

  static final List<String> KEYS = List.of("tokens", ONLY);

  /** At 2 bits 4,096 chose what lost more on other text. */
  private static final int USUAL_TOKENS = 16_384;

  static Families read(Settings given) {
    var names = given.text(ONLY, "");
    var among =
        names.isEmpty()
            ? EnumSet.allOf(Family.class)
            : Arrays.stream(names.split("\\+", -1))
                .map(Families::named)
                .collect(Collectors.toCollection(() -> EnumSet.noneOf(Family.class)));
    return new Families(given.integer("tokens", USUAL_TOKENS), among);
  }

  private static Family named(String name) {
    return Arrays.stream(Family.values())
        .filter(family -> family.toString().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                LatheException.unknown(
                    "family", name, Arrays.stream(Family.values()).map(Family::toString).toList()));
  }

  public Families {
    if (tokens < 1) {
      throw new LatheException("families' tokens are at least 1, not " + tokens);
    }
    among = Collections.unmodifiableSet(EnumSet.copyOf(among));
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
  private Map<Allocation, String> choices(Problem problem) {
    var choices = new LinkedHashMap<Allocation, String>();
    for (var families : subsets(present(problem.table()))) {
      var one = only(problem, families);
      if (one.least() <= problem.budget()) {
        var name = families.stream().map(Family::toString).collect(Collectors.joining(" and "));
        choices.merge(
            Knapsack.USUAL.allocate(one).allocation(), name, (all, fewer) -> all + "; " + fewer);
      }
    }
    if (choices.isEmpty()) {
      throw new LatheException(
          "no level of %s is small enough for the budget; the smallest there is has %d bytes in all"
              .formatted(
                  among.stream().map(Family::toString).collect(Collectors.joining(" or ")),
                  problem.least()));
    }
    return choices;
  }

  private Set<Family> present(LevelTable table) {
    return table.units().stream()
        .flatMap(unit -> unit.options().stream())
        .map(Option::family)
        .filter(among::contains)
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

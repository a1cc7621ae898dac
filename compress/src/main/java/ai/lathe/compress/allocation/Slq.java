package ai.lathe.compress.allocation;

import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.LatheException;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * The search of SLQ (<a href="https://arxiv.org/abs/2605.02404">2605.02404</a>): what a unit loses
 * at a level is measured among others that have been given the same level already, not alone. For
 * each level, units are switched from the original to it one after the other, in random orders; the
 * mean of what each switch adds to the model's loss is the unit's marginal, as in a Shapley value.
 * More bytes can only be better among options of the same share of zeros, so that their marginals
 * are replaced by the nearest ones for which that holds; then the knapsack of the marginals is
 * solved, and its answer measured.
 *
 * <p>{@code permutations * levels * units} allocations are measured.
 *
 * @param permutations random orders for each level
 * @param tokens to measure on
 */
public record Slq(int permutations, int tokens) implements Allocator {

  static final List<String> KEYS = List.of("permutations", "tokens");

  static Slq read(Settings given) {
    return new Slq(given.integer("permutations", 2), given.integer("tokens", Search.USUAL_TOKENS));
  }

  public Slq {
    if (permutations < 1 || tokens < 1) {
      throw new LatheException("slq needs at least 1 permutation and 1 token");
    }
  }

  @Override
  public String name() {
    return "slq";
  }

  @Override
  public boolean searches() {
    return true;
  }

  @Override
  public Result allocate(Problem problem) {
    problem.requireFeasible();
    var top =
        Allocation.of(
            problem.table().units().stream().mapToInt(unit -> unit.options().size() - 1).toArray());
    var levels =
        Uniform.levels(problem).stream()
            .map(Uniform.Uniformly::allocation)
            .filter(level -> !level.equals(top))
            .distinct()
            .toList();
    long total = (long) permutations * levels.size() * top.choices().size() + 2;
    try (var search = new Search(problem, this, tokens, total)) {
      var marginals = marginals(problem, top, levels, search);
      var found =
          new MultipleChoice(problem.exactCosts(), marginals, problem.budget())
              .solve(Knapsack.USUAL_STATES);
      var allocation =
          Leftover.spent(problem.withLosses(marginals), Allocation.of(found.choices()));
      double base = search.loss(top);
      double loss = search.loss(allocation);
      var note =
          "marginals of %d permutations promised a loss of %.6g; measured on the same text: %.6g"
              .formatted(permutations, base + found.loss(), loss);
      return new Result(
          allocation,
          loss,
          Double.NaN,
          List.of(new Step(0, search.evaluated(), loss)),
          List.of(note));
    }
  }

  /** {@code [unit][option]}; infinite where a level is not what a unit was measured at. */
  private double[][] marginals(
      Problem problem, Allocation top, List<Allocation> levels, Search search) {
    int units = top.choices().size();
    var sums = new double[units][];
    Arrays.setAll(sums, unit -> new double[problem.costs()[unit].length]);
    var counts = new int[units][];
    Arrays.setAll(counts, unit -> new int[problem.costs()[unit].length]);
    var random = new SplittableRandom(problem.seed());
    for (var level : levels) {
      for (int permutation = 0; permutation < permutations; permutation++) {
        var choices = top.choices().stream().mapToInt(Integer::intValue).toArray();
        double before = search.loss(top);
        for (int unit : shuffled(units, random)) {
          int option = level.choice(unit);
          if (option == choices[unit]) {
            continue;
          }
          choices[unit] = option;
          double after = search.loss(Allocation.of(choices));
          sums[unit][option] += after - before;
          counts[unit][option]++;
          before = after;
        }
      }
    }
    var marginals = new double[units][];
    for (int unit = 0; unit < units; unit++) {
      marginals[unit] = new double[sums[unit].length];
      for (int option = 0; option < sums[unit].length; option++) {
        boolean original = option == top.choice(unit);
        double mean = sums[unit][option] / counts[unit][option];
        marginals[unit][option] =
            original ? 0 : Double.isFinite(mean) ? mean : Double.POSITIVE_INFINITY;
      }
      ordered(problem.table().units().get(unit), problem.costs()[unit], marginals[unit]);
    }
    return marginals;
  }

  private static int[] shuffled(int units, SplittableRandom random) {
    var order = IntStream.range(0, units).toArray();
    for (int i = units - 1; i > 0; i--) {
      int other = random.nextInt(i + 1);
      int unit = order[i];
      order[i] = order[other];
      order[other] = unit;
    }
    return order;
  }

  /** Among options of one sparsity: no more loss for more cost. */
  private static void ordered(Unit unit, long[] costs, double[] marginals) {
    var alike = new TreeMap<Double, List<Integer>>();
    for (int option = 0; option < costs.length; option++) {
      if (Double.isFinite(marginals[option])) {
        alike
            .computeIfAbsent(
                unit.options().get(option).sparsity(), _ -> new java.util.ArrayList<>())
            .add(option);
      }
    }
    for (var options : alike.values()) {
      options.sort(Comparator.comparingLong(option -> costs[option]));
      var falling = falling(options.stream().mapToDouble(option -> marginals[option]).toArray());
      for (int i = 0; i < falling.length; i++) {
        marginals[options.get(i)] = falling[i];
      }
    }
  }

  /**
   * The nearest values that nowhere rise, in the mean of squares: neighbours that do are pooled.
   */
  static double[] falling(double[] values) {
    var means = new double[values.length];
    var sizes = new int[values.length];
    int pools = 0;
    for (double value : values) {
      means[pools] = value;
      sizes[pools++] = 1;
      while (pools > 1 && means[pools - 2] < means[pools - 1]) {
        int size = sizes[pools - 2] + sizes[pools - 1];
        means[pools - 2] =
            (means[pools - 2] * sizes[pools - 2] + means[pools - 1] * sizes[pools - 1]) / size;
        sizes[pools-- - 2] = size;
      }
    }
    var falling = new double[values.length];
    for (int pool = 0, at = 0; pool < pools; pool++) {
      Arrays.fill(falling, at, at + sizes[pool], means[pool]);
      at += sizes[pool];
    }
    return falling;
  }
}

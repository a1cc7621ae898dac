package ai.lathe.compress.allocation;

import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.LatheException;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * OWL (<a href="https://arxiv.org/abs/2310.05175">Yin et al. 2024</a>): blocks with many outliers
 * keep more. An outlier is a weight whose {@code |W_ij| ||x_j||} is more than five times the mean
 * of its layer ({@link Measure#OUTLIERS}; the paper takes the mean of the whole block, which no
 * layer knows alone). The shares of outliers of all blocks, mapped to {@code [0, 2 lambda]}, less
 * their mean, are added to the share of the original's cost that the budget allows. So a block at
 * 50 % zeros has 42 to 58 % of them, and one at 4 of 16 bits has 2.7 to 5.3.
 *
 * <p>All layers of a block, as near as its levels come: from the cheapest options upwards, the unit
 * first that lacks most steps to its block's share.
 *
 * <p>Where a database holds no outliers, the mean losses of its blocks at the uniform level take
 * their place, and a note says so.
 *
 * @param lambda most by which a block differs from the mean, about
 */
public record Owl(double lambda) implements Allocator {

  static final List<String> KEYS = List.of("lambda");

  static Owl read(Settings given) {
    return new Owl(given.number("lambda", 0.08));
  }

  public Owl {
    if (!(lambda >= 0 && lambda <= 0.5)) {
      throw new LatheException("owl's lambda is between 0 and 0.5, not " + lambda);
    }
  }

  @Override
  public String name() {
    return "owl";
  }

  @Override
  public boolean searches() {
    return false;
  }

  @Override
  public Result allocate(Problem problem) {
    problem.requireFeasible();
    boolean counted =
        problem.table().units().stream()
            .filter(unit -> unit.options().size() > 1)
            .allMatch(unit -> unit.options().getFirst().losses().containsKey(Measure.OUTLIERS));
    var allocation =
        nearest(problem, targets(problem, counted ? outliers(problem) : lost(problem)));
    var notes =
        counted
            ? List.<String>of()
            : List.of(
                "owl: the levels tell no outliers; losses of the uniform level in their place");
    return new Result(allocation, Losses.sum(problem, allocation), Double.NaN, List.of(), notes);
  }

  private static double[] outliers(Problem problem) {
    return problem.table().units().stream()
        .mapToDouble(unit -> unit.options().getFirst().losses().getOrDefault(Measure.OUTLIERS, 0.0))
        .toArray();
  }

  /** Losses are shares of a layer, outliers are counted: so they are weighted here. */
  private static double[] lost(Problem problem) {
    var uniform = new Uniform().allocate(problem).allocation();
    return IntStream.range(0, problem.costs().length)
        .mapToDouble(
            unit -> {
              double loss = problem.losses()[unit][uniform.choice(unit)];
              return Double.isFinite(loss) ? loss * problem.table().units().get(unit).weights() : 0;
            })
        .toArray();
  }

  /** Cost that each unit should have. */
  private double[] targets(Problem problem, double[] counts) {
    var units = problem.table().units();
    var originals = Arrays.stream(problem.costs()).mapToDouble(c -> c[c.length - 1]).toArray();
    double total = Arrays.stream(originals).sum();
    var blocks = new TreeMap<Integer, double[]>();
    for (int unit = 0; unit < counts.length; unit++) {
      var sums = blocks.computeIfAbsent(units.get(unit).block(), _ -> new double[2]);
      sums[0] += counts[unit];
      sums[1] += units.get(unit).weights();
    }
    blocks.replaceAll((_, sums) -> new double[] {sums[0] / sums[1]});
    double least = blocks.values().stream().mapToDouble(share -> share[0]).min().orElse(0);
    double most = blocks.values().stream().mapToDouble(share -> share[0]).max().orElse(0);
    var raised = new double[counts.length];
    double mean = 0;
    for (int unit = 0; unit < counts.length; unit++) {
      double share = blocks.get(units.get(unit).block())[0];
      raised[unit] = most > least ? 2 * lambda * (share - least) / (most - least) : 0;
      mean += raised[unit] * originals[unit] / total;
    }
    double kept = problem.budget() / total - mean;
    return IntStream.range(0, counts.length)
        .mapToDouble(unit -> originals[unit] * (raised[unit] + kept))
        .toArray();
  }

  private static Allocation nearest(Problem problem, double[] targets) {
    var costs = problem.exactCosts();
    var fronts =
        IntStream.range(0, costs.length)
            .mapToObj(unit -> Front.of(costs[unit], problem.losses()[unit]))
            .toArray(Front[]::new);
    var at = new int[costs.length];
    double left = problem.budget() - Arrays.stream(fronts).mapToDouble(f -> f.costs()[0]).sum();
    while (true) {
      int first = -1;
      double most = Double.NEGATIVE_INFINITY;
      for (int unit = 0; unit < at.length; unit++) {
        var steps = fronts[unit].costs();
        if (at[unit] + 1 < steps.length && steps[at[unit] + 1] - steps[at[unit]] <= left) {
          double lacking =
              (targets[unit] - steps[at[unit]]) / (steps[at[unit] + 1] - steps[at[unit]]);
          if (lacking > most) {
            first = unit;
            most = lacking;
          }
        }
      }
      if (first < 0) {
        Arrays.setAll(at, unit -> fronts[unit].options()[at[unit]]);
        return Allocation.of(at);
      }
      left -= fronts[first].costs()[at[first] + 1] - fronts[first].costs()[at[first]];
      at[first]++;
    }
  }
}

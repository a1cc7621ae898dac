package ai.lathe.compress.allocation;

import ai.lathe.model.Address;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.Progress;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import java.util.stream.IntStream;

/** Problems of no model: costs and losses alone. */
final class Problems {

  private Problems() {}

  static RandomGenerator random(long seed) {
    return RandomGeneratorFactory.of("Xoshiro256PlusPlus").create(seed);
  }

  /** Units whose options are called {@code L0}, {@code L1}, ... */
  static Problem of(long[][] costs, double[][] losses, long budget) {
    return of(costs, losses, budget, Optional.empty(), 1);
  }

  static Problem of(
      long[][] costs, double[][] losses, long budget, Optional<Fitness> fitness, long seed) {
    var units =
        IntStream.range(0, costs.length)
            .mapToObj(
                unit ->
                    new Unit(
                        "unit." + unit,
                        unit,
                        List.of(Address.weight(unit, Role.UP)),
                        1000,
                        IntStream.range(0, costs[unit].length)
                            .mapToObj(
                                option ->
                                    new Option(
                                        "L" + option, "none", costs[unit][option], 0, Map.of()))
                            .toList()))
            .toList();
    return new Problem(new LevelTable(units), costs, budget, losses, fitness, seed, Progress.NONE);
  }

  /** The same, with as many outliers in each unit. */
  static Problem outliers(Problem problem, double[] outliers) {
    var units = problem.table().units();
    var counted =
        IntStream.range(0, units.size())
            .mapToObj(
                index -> {
                  var unit = units.get(index);
                  var options =
                      unit.options().stream()
                          .map(
                              option ->
                                  new Option(
                                      option.level(),
                                      option.encoding(),
                                      option.bytes(),
                                      option.sparsity(),
                                      Map.of(Measure.OUTLIERS, outliers[index])))
                          .toList();
                  return new Unit(
                      unit.name(), unit.block(), unit.members(), unit.weights(), options);
                })
            .toList();
    return new Problem(
        new LevelTable(counted),
        problem.costs(),
        problem.budget(),
        problem.losses(),
        problem.fitness(),
        problem.seed(),
        problem.progress());
  }

  /** Losses that fall with costs, but for some noise: some options are worse than cheaper ones. */
  static Problem random(RandomGenerator random, int units, int options, int costs) {
    var cost = new long[units][options];
    var loss = new double[units][options];
    for (int unit = 0; unit < units; unit++) {
      double scale = Math.exp(random.nextGaussian());
      long size = 1 + random.nextInt(costs);
      for (int option = 0; option < options; option++) {
        cost[unit][option] = size * (option + 1) + random.nextInt(1 + (int) (size / 4));
        loss[unit][option] = scale * Math.pow(4, -option) * Math.exp(random.nextGaussian());
      }
    }
    var problem = of(cost, loss, Long.MAX_VALUE);
    long spread = problem.most() - problem.least();
    return of(cost, loss, problem.least() + (long) (random.nextDouble() * spread));
  }

  /** The least sum of losses of all allocations that fit; infinite where there is none. */
  static double least(Problem problem) {
    return least(problem, 0, problem.budget());
  }

  private static double least(Problem problem, int unit, long left) {
    if (unit == problem.costs().length) {
      return 0;
    }
    double least = Double.POSITIVE_INFINITY;
    for (int option = 0; option < problem.costs()[unit].length; option++) {
      long cost = problem.costs()[unit][option];
      if (cost <= left) {
        double rest = least(problem, unit + 1, left - cost);
        least = Math.min(least, problem.losses()[unit][option] + rest);
      }
    }
    return least;
  }
}

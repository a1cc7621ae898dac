package ai.lathe.bench;

import ai.lathe.compress.allocation.Allocator.Result;
import ai.lathe.compress.allocation.Knapsack;
import ai.lathe.compress.allocation.LevelTable;
import ai.lathe.compress.allocation.Option;
import ai.lathe.compress.allocation.Problem;
import ai.lathe.compress.allocation.Unit;
import ai.lathe.model.Address;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.Progress;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * What a knapsack over the layers of a model takes: {@code KnapsackBench [BLOCKS [STATES]]}, seven
 * layers a block, twelve levels each; milliseconds, best, median and worst of budgets from 5 % to
 * 95 % of the way between the least and the most, and by how much the result may be above the
 * optimum.
 *
 * <p>{@code widths}: shapes of a Llama of 1024 columns, levels of 2 to 16 bits in groups, losses
 * that fall by four with each bit. {@code jitter}: every level of every layer some bytes more, as
 * if entropy-coded, so that no two costs have much in common. {@code near}: as jitter, with losses
 * nearly proportional to the bytes saved, the hard case of the literature. {@code alike}: all
 * layers of the same bytes and the same losses.
 */
public final class KnapsackBench {

  private static final double[] BITS = {2, 2.25, 2.5, 3, 3.25, 4, 4.25, 5, 6, 6.5625, 8.5, 16};
  private static final long[] SHAPES = {
    1024 * 1024, 256 * 1024, 256 * 1024, 1024 * 1024, 2816 * 1024, 2816 * 1024, 1024 * 2816
  };
  private static final String[] KINDS = {"widths", "jitter", "near", "alike"};

  private KnapsackBench() {}

  public static void main(String[] arguments) {
    int blocks = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 30;
    var knapsack =
        arguments.length > 1 ? new Knapsack(Integer.parseInt(arguments[1])) : Knapsack.USUAL;
    System.out.println(
        "| kind | least to most bytes | best ms | median | worst | exact | worst gap | least of budget used |\n|---|---|---|---|---|---|---|---|");
    for (int round = 0; round < 2; round++) {
      for (var kind : KINDS) {
        measure(kind, blocks, knapsack, round > 0);
      }
    }
  }

  private static void measure(String kind, int blocks, Knapsack knapsack, boolean told) {
    var random = new SplittableRandom(7);
    var free = problem(kind, blocks, random, Long.MAX_VALUE);
    long least = free.least();
    long most = free.most();
    int budgets = 19;
    var times = new double[budgets];
    int exact = 0;
    double gap = 0;
    double used = 1;
    for (int i = 0; i < budgets; i++) {
      long budget = least + (long) ((most - least) * (i + 1) / (budgets + 1.0));
      var problem = problem(kind, blocks, new SplittableRandom(7), budget);
      long begun = System.nanoTime();
      Result result = knapsack.allocate(problem);
      times[i] = (System.nanoTime() - begun) * 1e-6;
      exact += result.bound() >= result.loss() ? 1 : 0;
      gap = Math.max(gap, (result.loss() - result.bound()) / result.loss());
      used = Math.min(used, (double) result.allocation().cost(problem.costs()) / budget);
    }
    Arrays.sort(times);
    if (told) {
      System.out.printf(
          "| %s | %,d to %,d | %.1f | %.1f | %.1f | %d of %d | %.1e | %.4f %% |%n",
          kind,
          least,
          most,
          times[0],
          times[budgets / 2],
          times[budgets - 1],
          exact,
          budgets,
          gap,
          100 * used);
    }
  }

  private static Problem problem(String kind, int blocks, SplittableRandom random, long budget) {
    int units = blocks * SHAPES.length;
    var costs = new long[units][BITS.length];
    var losses = new double[units][BITS.length];
    for (int unit = 0; unit < units; unit++) {
      long weights = kind.equals("alike") ? SHAPES[0] : SHAPES[unit % SHAPES.length];
      double scale = kind.equals("alike") ? 1 : weights * 1e-6 * Math.exp(random.nextGaussian());
      for (int level = 0; level < BITS.length; level++) {
        long jitter = kind.equals("jitter") || kind.equals("near") ? random.nextInt(20_000) : 0;
        costs[unit][level] = (long) (weights * BITS[level] / 8) + jitter;
        losses[unit][level] =
            switch (kind) {
              case "near" -> 100 - costs[unit][level] * 1e-6 * (1 + 0.01 * random.nextDouble());
              case "alike" -> Math.pow(4, -BITS[level]);
              default -> scale * Math.pow(4, -BITS[level]) * (0.8 + 0.4 * random.nextDouble());
            };
      }
    }
    var table =
        new LevelTable(
            IntStream.range(0, units)
                .mapToObj(
                    unit ->
                        new Unit(
                            "layer " + unit,
                            unit / SHAPES.length,
                            List.of(Address.weight(unit, Role.UP)),
                            SHAPES[unit % SHAPES.length],
                            IntStream.range(0, BITS.length)
                                .mapToObj(
                                    level ->
                                        new Option(
                                            BITS[level] + " bits",
                                            "",
                                            costs[unit][level],
                                            0,
                                            Map.of()))
                                .toList()))
                .toList());
    return new Problem(table, costs, budget, losses, Optional.empty(), 1, Progress.NONE);
  }
}

package ai.lathe.compress.allocation;

import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.LatheException;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * The best of allocations drawn at random, what every search is to be held against. Each is made
 * from the cheapest options by raising a unit drawn at random to the next option that is worth its
 * cost, until nothing fits any more.
 *
 * @param samples allocations to draw
 * @param by how they are judged
 * @param tokens to measure on
 */
public record RandomSearch(int samples, By by, int tokens) implements Allocator {

  /** What an allocation is judged by. */
  public enum By {
    /** The model's own loss, measured. */
    FITNESS,
    /** The sum of the layers' losses. */
    LOSSES
  }

  static final List<String> KEYS = List.of("samples", "by", "tokens");

  static RandomSearch read(Settings given) {
    return new RandomSearch(
        given.integer("samples", 100),
        given.choice("by", By.FITNESS),
        given.integer("tokens", Search.USUAL_TOKENS));
  }

  public RandomSearch {
    if (samples < 1 || tokens < 1) {
      throw new LatheException("random search needs at least 1 sample and 1 token");
    }
  }

  @Override
  public String name() {
    return "random";
  }

  @Override
  public boolean searches() {
    return by == By.FITNESS;
  }

  @Override
  public Result allocate(Problem problem) {
    problem.requireFeasible();
    var random = new SplittableRandom(problem.seed());
    var fronts =
        IntStream.range(0, problem.costs().length)
            .mapToObj(unit -> Front.of(problem.exactCosts()[unit], problem.losses()[unit]))
            .toList();
    return switch (by) {
      case FITNESS -> {
        try (var search = new Search(problem, this, tokens, samples)) {
          for (int sample = 0; sample < samples; sample++) {
            search.loss(draw(problem, fronts, random));
          }
          yield search.result();
        }
      }
      case LOSSES -> {
        Allocation best = null;
        double least = Double.POSITIVE_INFINITY;
        for (int sample = 0; sample < samples; sample++) {
          var drawn = draw(problem, fronts, random);
          double loss = Losses.sum(problem, drawn);
          if (best == null || loss < least) {
            best = drawn;
            least = loss;
          }
        }
        yield new Result(best, least, Double.NaN, List.of());
      }
    };
  }

  private static Allocation draw(Problem problem, List<Front> fronts, SplittableRandom random) {
    var at = new int[fronts.size()];
    var open = IntStream.range(0, at.length).toArray();
    int opens = at.length;
    double left = problem.budget() - fronts.stream().mapToDouble(front -> front.costs()[0]).sum();
    while (opens > 0) {
      int drawn = random.nextInt(opens);
      int unit = open[drawn];
      var costs = fronts.get(unit).costs();
      boolean top = at[unit] == costs.length - 1;
      if (top || costs[at[unit] + 1] - costs[at[unit]] > left) {
        // What does not fit now will not fit later.
        open[drawn] = open[--opens];
      } else {
        left -= costs[at[unit] + 1] - costs[at[unit]];
        at[unit]++;
      }
    }
    Arrays.setAll(at, unit -> fronts.get(unit).options()[at[unit]]);
    return Allocation.of(at);
  }
}

package ai.lathe.compress.allocation;

import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.LatheException;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * SPDY (<a href="https://arxiv.org/abs/2201.13096">Frantar and Alistarh 2022</a>), the search of
 * ZipLM: losses of one layer after the other say which of its levels is worse than which, but not
 * what a layer is worth beside another. So each layer's losses are multiplied by a coefficient, the
 * knapsack of these is solved, and the coefficients are searched for by what its answers measure on
 * the model: the best of random ones first, then some of its coefficients drawn again, fewer and
 * fewer of them, each as long as one of {@code patience} attempts improves.
 *
 * <p>All coefficients alike are tried too, before any others, so that no result is worse than the
 * knapsack's on the text that is measured on. Costs are not rounded into buckets.
 *
 * @param starts random coefficients to begin with
 * @param patience attempts without improvement after which fewer coefficients are drawn again
 * @param share of coefficients that are drawn again at first
 * @param evaluations allocations to measure, at most
 * @param tokens to measure on
 */
public record Spdy(int starts, int patience, double share, int evaluations, int tokens)
    implements Allocator {

  static final List<String> KEYS = List.of("starts", "patience", "share", "evaluations", "tokens");

  /** Pairs for one solution of many: what is lost by it is less than what coefficients guess. */
  private static final long STATES_A_UNIT = 1 << 9;

  static Spdy read(Settings given) {
    return new Spdy(
        given.integer("starts", 100),
        given.integer("patience", 100),
        given.number("share", 0.1),
        given.integer("evaluations", 1000),
        given.integer("tokens", Search.USUAL_TOKENS));
  }

  public Spdy {
    if (starts < 0 || patience < 1 || evaluations < 1 || tokens < 1) {
      throw new LatheException(
          "spdy's starts are at least 0; its patience, evaluations and tokens at least 1");
    }
    if (!(share >= 0 && share <= 1)) {
      throw new LatheException("spdy's share is between 0 and 1, not " + share);
    }
  }

  @Override
  public String name() {
    return "spdy";
  }

  @Override
  public boolean searches() {
    return true;
  }

  @Override
  public Result allocate(Problem problem) {
    problem.requireFeasible();
    try (var search = new Search(problem, this, tokens, evaluations)) {
      new Course(problem, search).run();
      return search.result();
    }
  }

  private final class Course {
    private final Problem problem;
    private final Search search;
    private final double[][] costs;
    private final SplittableRandom random;
    private double[] best;
    private double least;

    Course(Problem problem, Search search) {
      this.problem = problem;
      this.search = search;
      costs = problem.exactCosts();
      random = new SplittableRandom(problem.seed());
      best = new double[costs.length];
      Arrays.fill(best, 1);
      least = search.loss(solution(best));
    }

    void run() {
      for (int start = 0; start < starts && goesOn(); start++) {
        attempt(random.doubles(costs.length).toArray());
      }
      for (int again = (int) Math.max(1, Math.round(share * costs.length)); again > 0; again--) {
        for (int failures = 0; failures < patience && goesOn(); failures++) {
          if (attempt(drawnAgain(again))) {
            failures = -1;
          }
        }
      }
    }

    private boolean goesOn() {
      return search.evaluated() < evaluations;
    }

    private boolean attempt(double[] coefficients) {
      double loss = search.loss(solution(coefficients));
      if (loss >= least) {
        return false;
      }
      best = coefficients;
      least = loss;
      return true;
    }

    private double[] drawnAgain(int again) {
      var coefficients = best.clone();
      for (int i = 0; i < again; i++) {
        coefficients[random.nextInt(coefficients.length)] = random.nextDouble();
      }
      return coefficients;
    }

    private Allocation solution(double[] coefficients) {
      var losses =
          IntStream.range(0, costs.length)
              .mapToObj(
                  unit ->
                      Arrays.stream(problem.losses()[unit])
                          .map(loss -> coefficients[unit] * loss)
                          .toArray())
              .toArray(double[][]::new);
      var found =
          new MultipleChoice(costs, losses, problem.budget()).solve(STATES_A_UNIT * costs.length);
      return Leftover.spent(problem, Allocation.of(found.choices()));
    }
  }
}

package ai.lathe.compress.allocation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.tensor.LatheException;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.random.RandomGenerator;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Searches by fitness, on a fitness whose optimum is known. */
class SearchesTest {

  /** Losses that add up, but are not those that the problem tells. */
  private record Toy(double[][] losses, AtomicInteger measured) implements Fitness {

    Toy(double[][] losses) {
      this(losses, new AtomicInteger());
    }

    @Override
    public long tokens() {
      return 5000;
    }

    @Override
    public Batch draw(int tokens, RandomGenerator random) {
      assertThat(tokens).isEqualTo(2048);
      return new Batch() {
        @Override
        public double loss(Allocation allocation) {
          measured.incrementAndGet();
          return allocation.loss(losses);
        }

        @Override
        public void close() {}
      };
    }
  }

  /**
   * Like {@link Problems#random}, with a dense level, and layers whose losses tell not what they
   * matter.
   */
  private static Problem problem(long seed, int units, int options) {
    var random = Problems.random(seed);
    var told = Problems.random(random, units, options, 1000);
    var losses = told.losses();
    var real = new double[units][];
    for (int unit = 0; unit < units; unit++) {
      losses[unit][options - 1] = 0;
      // More bits are better, as SLQ takes for granted.
      Arrays.sort(losses[unit]);
      reverse(losses[unit]);
      double matters = 0.05 + random.nextDouble();
      real[unit] = Arrays.stream(losses[unit]).map(loss -> loss * matters).toArray();
    }
    return Problems.of(told.costs(), losses, told.budget(), Optional.of(new Toy(real)), seed);
  }

  private static void reverse(double[] values) {
    for (int i = 0; i < values.length / 2; i++) {
      double other = values[i];
      values[i] = values[values.length - 1 - i];
      values[values.length - 1 - i] = other;
    }
  }

  private static Toy toy(Problem problem) {
    return (Toy) problem.fitness().orElseThrow();
  }

  private static double optimum(Problem problem) {
    return Problems.least(problem.withLosses(toy(problem).losses()));
  }

  @Test
  void spdyFindsTheOptimumThatLossesDoNotTell() {
    int better = 0;
    for (long seed = 1; seed <= 20; seed++) {
      var problem = problem(seed, 6, 4);
      double optimum = optimum(problem);
      var spdy = (Spdy) Allocators.named("spdy", Map.of());
      var result = spdy.allocate(problem);
      assertThat(problem.fits(result.allocation())).isTrue();
      assertThat(result.loss()).isCloseTo(optimum, within(1e-12));
      assertThat(toy(problem).measured().get()).isLessThanOrEqualTo(spdy.evaluations());
      var first = result.history().getFirst();
      assertThat(result.loss()).isLessThanOrEqualTo(first.loss());
      better += result.loss() < first.loss() ? 1 : 0;
    }
    // So it was searched for: the knapsack comes first.
    assertThat(better).isGreaterThan(5);
  }

  @Test
  void slqFindsTheOptimumOfLossesThatAddUp() {
    for (long seed = 1; seed <= 20; seed++) {
      var problem = problem(seed, 6, 4);
      var result = new Slq(1, 2048).allocate(problem);
      assertThat(problem.fits(result.allocation())).isTrue();
      assertThat(result.loss()).isCloseTo(optimum(problem), within(1e-12));
      // Six units at three levels, the original, and at most the answer.
      assertThat(toy(problem).measured().get()).isBetween(17, 20);
    }
  }

  @Test
  void risesArePooled() {
    assertThat(Slq.falling(new double[] {5, 1, 2, 3, 0.5})).containsExactly(5, 2, 2, 2, 0.5);
    assertThat(Slq.falling(new double[] {1, 2, 4, 9})).containsExactly(4, 4, 4, 4);
    assertThat(Slq.falling(new double[] {4, 3, 2})).containsExactly(4, 3, 2);
  }

  @Test
  void randomSearchIsNoBetterThanTheOptimumAndNoWorseThanItsSamples() {
    var problem = problem(7, 6, 4);
    double optimum = optimum(problem);
    var one = new RandomSearch(1, RandomSearch.By.FITNESS, 2048).allocate(problem);
    var many = new RandomSearch(300, RandomSearch.By.FITNESS, 2048).allocate(problem);
    assertThat(many.loss()).isLessThan(one.loss()).isGreaterThanOrEqualTo(optimum - 1e-12);
    assertThat(many.history()).hasSizeGreaterThan(1);
    var steps = many.history().stream().mapToDouble(Allocator.Step::loss).toArray();
    assertThat(IntStream.range(1, steps.length)).allMatch(i -> steps[i] < steps[i - 1]);
  }

  @Test
  void theSameSeedGivesTheSameResult() {
    for (var name : new String[] {"random", "spdy", "slq"}) {
      var allocator = Allocators.named(name, Map.of());
      var first = allocator.allocate(problem(3, 8, 5));
      assertThat(allocator.allocate(problem(3, 8, 5))).as(name).isEqualTo(first);
    }
  }

  @Test
  void whatCannotBeMeasuredIsNotChosen() {
    var problem = problem(5, 4, 3);
    var broken = toy(problem).losses();
    broken[2][1] = Double.NaN;
    for (var name : new String[] {"random", "spdy", "slq"}) {
      var result = Allocators.named(name, Map.of()).allocate(problem);
      assertThat(result.loss()).as(name).isFinite();
      assertThat(result.allocation().choice(2)).as(name).isNotEqualTo(1);
    }
  }

  @Test
  void searchesNeedSomethingToMeasureOn() {
    var problem = problem(1, 3, 3);
    var blind =
        Problems.of(problem.costs(), problem.losses(), problem.budget(), Optional.empty(), 1);
    for (var allocator : Allocators.all()) {
      if (allocator.searches()) {
        assertThatThrownBy(() -> allocator.allocate(blind))
            .isInstanceOf(LatheException.class)
            .hasMessage(
                "%s measures allocations on the model, and there is no text to measure on; knapsack needs none",
                allocator.name());
      }
    }
  }
}

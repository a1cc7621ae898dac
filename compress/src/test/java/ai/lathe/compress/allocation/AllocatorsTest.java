package ai.lathe.compress.allocation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.tensor.LatheException;
import java.util.Map;
import org.junit.jupiter.api.Test;

class AllocatorsTest {

  @Test
  void areKnownByName() {
    assertThat(Allocators.all()).extracting(Allocator::name).isEqualTo(Allocators.names());
    assertThatThrownBy(() -> Allocators.named("knapsac", Map.of()))
        .isInstanceOf(LatheException.class)
        .hasMessageStartingWith("unknown allocator 'knapsac'; did you mean 'knapsack'?");
    assertThatThrownBy(() -> Allocators.named("spdy", Map.of("start", 3)))
        .hasMessageStartingWith("unknown setting of spdy 'start'; did you mean 'starts'?");
    assertThatThrownBy(() -> Allocators.named("owl", Map.of("lambda", 3)))
        .hasMessage("owl's lambda is between 0 and 0.5, not 3.0");
    assertThat(Allocators.named("random", Map.of("by", "losses", "samples", 5)))
        .isEqualTo(new RandomSearch(5, RandomSearch.By.LOSSES, 2048));
  }

  @Test
  void noneSpendsMoreThanThereIs() {
    var random = Problems.random(11);
    for (int instance = 0; instance < 100; instance++) {
      var problem = Problems.random(random, 7, 5, 50);
      double least = Problems.least(problem);
      for (var name : new String[] {"uniform", "owl", "greedy", "knapsack", "lgreco"}) {
        var result = Allocators.named(name, Map.of()).allocate(problem);
        assertThat(problem.fits(result.allocation())).as(name).isTrue();
        assertThat(result.loss())
            .as(name)
            .isCloseTo(result.allocation().loss(problem.losses()), within(1e-12 * result.loss()))
            .isGreaterThanOrEqualTo(least * (1 - 1e-12));
      }
      var drawn = new RandomSearch(3, RandomSearch.By.LOSSES, 1).allocate(problem);
      assertThat(problem.fits(drawn.allocation())).isTrue();
    }
  }

  @Test
  void leastBudgetIsTheCheapestOfAll() {
    var problem = Problems.random(Problems.random(12), 5, 4, 100);
    var tight = Problems.of(problem.costs(), problem.losses(), problem.least());
    for (var name : new String[] {"uniform", "owl", "greedy", "knapsack", "lgreco"}) {
      var allocation = Allocators.named(name, Map.of()).allocate(tight).allocation();
      assertThat(allocation.cost(tight.costs())).as(name).isEqualTo(tight.least());
    }
  }

  @Test
  void uniformMixesTheTwoLevelsAroundTheBudgetEvenly() {
    var costs = new long[12][];
    var losses = new double[12][];
    for (int unit = 0; unit < 12; unit++) {
      costs[unit] = new long[] {20, 30, 40, 160};
      losses[unit] = new double[] {unit == 3 ? 1000 : 9, 3, 1, 0};
    }
    var exact = new Uniform().allocate(Problems.of(costs, losses, 360));
    assertThat(exact.allocation().choices()).containsOnly(1);
    assertThat(exact.notes()).containsExactly("all L1");
    // A third of the way to the next level: every third unit.
    var mixed = new Uniform().allocate(Problems.of(costs, losses, 400));
    assertThat(mixed.allocation()).isEqualTo(Allocation.of(1, 2, 1, 1, 2, 1, 1, 2, 1, 1, 2, 1));
    assertThat(mixed.notes()).containsExactly("all L1, 4 of 12 units L2");
    assertThat(new Uniform().allocate(Problems.of(costs, losses, 5000)).allocation().choices())
        .containsOnly(3);
  }

  @Test
  void lGrecoIsTheLeastCostOfAllThatLoseNoMore() {
    var random = Problems.random(13);
    int less = 0;
    for (int instance = 0; instance < 300; instance++) {
      var problem = Problems.random(random, 5, 3, 100);
      double limit = Problems.least(problem) * (1 + random.nextDouble());
      var found = LGreco.least(problem, limit).orElseThrow();
      assertThat(found.cost()).isEqualTo(cheapest(problem, 0, limit));
      assertThat(found.bound()).isEqualTo(found.cost());
      assertThat(found.allocation().cost(problem.costs())).isEqualTo(found.cost());
      assertThat(found.allocation().loss(problem.losses())).isLessThanOrEqualTo(limit);
      var uniform = new Uniform().allocate(problem);
      var result = new LGreco(1).allocate(problem);
      assertThat(result.loss()).isLessThanOrEqualTo(uniform.loss() * (1 + 1e-12));
      long saved =
          uniform.allocation().cost(problem.costs()) - result.allocation().cost(problem.costs());
      assertThat(saved).isNotNegative();
      less += saved > 0 ? 1 : 0;
    }
    assertThat(less).isGreaterThan(100);
    var problem = Problems.random(random, 5, 3, 100);
    assertThat(LGreco.least(problem, -1)).isEmpty();
  }

  private static long cheapest(Problem problem, int unit, double limit) {
    if (unit == problem.costs().length) {
      return limit >= 0 ? 0 : Long.MAX_VALUE / 2;
    }
    long least = Long.MAX_VALUE / 2;
    for (int option = 0; option < problem.costs()[unit].length; option++) {
      double left = limit - problem.losses()[unit][option];
      least = Math.min(least, problem.costs()[unit][option] + cheapest(problem, unit + 1, left));
    }
    return least;
  }

  @Test
  void owlKeepsMoreWhereThereAreOutliers() {
    var costs = new long[10][];
    var losses = new double[10][];
    var outliers = new double[10];
    for (int unit = 0; unit < 10; unit++) {
      // Zeros from 90 % to none.
      costs[unit] = new long[] {100, 200, 300, 400, 450, 500, 550, 600, 700, 800, 1000};
      losses[unit] = new double[] {10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0};
      outliers[unit] = unit;
    }
    var problem = Problems.outliers(Problems.of(costs, losses, 5000), outliers);
    var result = new Owl(0.08).allocate(problem);
    var spent =
        result.allocation().choices().stream().mapToLong(option -> costs[0][option]).toArray();
    // Shares of 0.42 to 0.58, 0.5 in the mean.
    assertThat(spent).isSorted();
    assertThat(spent[0]).isEqualTo(400);
    assertThat(spent[9]).isEqualTo(600);
    assertThat(result.allocation().cost(costs)).isBetween(4950L, 5000L);
    assertThat(result.notes()).isEmpty();
    assertThat(new Owl(0).allocate(problem).allocation().choices()).containsOnly(5);
    assertThat(new Owl(0.08).allocate(Problems.of(costs, losses, 5000)).notes())
        .containsExactly(
            "owl: the levels tell no outliers; losses of the uniform level in their place");
  }
}

package ai.lathe.compress.allocation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.tensor.LatheException;
import org.junit.jupiter.api.Test;

class KnapsackTest {

  @Test
  void isTheBestOfAllChoicesThatFit() {
    var random = Problems.random(1);
    for (int instance = 0; instance < 1000; instance++) {
      var problem = Problems.random(random, 6, 4, instance % 2 == 0 ? 1000 : 3);
      var result = Knapsack.USUAL.allocate(problem);
      double least = Problems.least(problem);
      assertThat(problem.fits(result.allocation())).isTrue();
      assertThat(result.loss()).isCloseTo(least, within(1e-12 * least));
      assertThat(result.allocation().loss(problem.losses()))
          .isCloseTo(least, within(1e-12 * least));
      assertThat(result.bound()).isEqualTo(result.loss());
    }
  }

  @Test
  void boundHoldsHoweverFewStatesAreKept() {
    var random = Problems.random(2);
    int inexact = 0;
    for (int instance = 0; instance < 200; instance++) {
      var problem = Problems.random(random, 8, 4, 100);
      double least = Problems.least(problem);
      var narrow = new Knapsack(1 + instance % 3).allocate(problem);
      assertThat(problem.fits(narrow.allocation())).isTrue();
      assertThat(narrow.bound()).isLessThanOrEqualTo(least * (1 + 1e-12));
      assertThat(narrow.loss()).isGreaterThanOrEqualTo(least * (1 - 1e-12));
      assertThat(narrow.bound()).isLessThanOrEqualTo(narrow.loss());
      if (narrow.bound() < narrow.loss()) {
        inexact++;
        assertThat(narrow.notes().getFirst()).contains("above the least");
      }
    }
    assertThat(inexact).isBetween(20, 190);
  }

  @Test
  void greedyIsBetweenItsBoundAndTheBudget() {
    var random = Problems.random(3);
    for (int instance = 0; instance < 200; instance++) {
      var problem = Problems.random(random, 6, 4, 1000);
      double least = Problems.least(problem);
      var result = new Greedy().allocate(problem);
      assertThat(problem.fits(result.allocation())).isTrue();
      assertThat(result.bound()).isLessThanOrEqualTo(least * (1 + 1e-12));
      assertThat(result.loss()).isGreaterThanOrEqualTo(least * (1 - 1e-12));
      assertThat(result.loss())
          .isCloseTo(result.allocation().loss(problem.losses()), within(1e-12 * result.loss()));
    }
  }

  /** Sixty layers of five shapes, six widths in groups with scales: bytes like a model's. */
  @Test
  void spendsTheBudgetOfAModel() {
    var random = Problems.random(4);
    long[] shapes = {576 * 576, 192 * 576, 192 * 576, 576 * 576, 1536 * 576};
    double[] bits = {2.25, 3.25, 4.25, 5.25, 6.25, 8.25, 16};
    var costs = new long[60][bits.length];
    var losses = new double[60][bits.length];
    for (int unit = 0; unit < 60; unit++) {
      double scale = Math.exp(random.nextGaussian());
      for (int option = 0; option < bits.length; option++) {
        costs[unit][option] = (long) (shapes[unit % 5] * bits[option] / 8);
        losses[unit][option] = scale * Math.pow(4, -bits[option]) * (1 + random.nextDouble());
      }
    }
    for (double share : new double[] {0.01, 0.1, 0.3, 0.5, 0.9}) {
      var free = Problems.of(costs, losses, Long.MAX_VALUE);
      long budget = free.least() + (long) (share * (free.most() - free.least()));
      var problem = Problems.of(costs, losses, budget);
      var result = Knapsack.USUAL.allocate(problem);
      assertThat(result.bound()).isGreaterThanOrEqualTo(result.loss() * (1 - 1e-4));
      assertThat(result.allocation().cost(costs)).isBetween((long) (0.995 * budget), budget);
      assertThat(result.loss()).isLessThanOrEqualTo(new Greedy().allocate(problem).loss());
    }
  }

  @Test
  void equalLossesAreNoReasonToLeaveBytes() {
    var problem =
        Problems.of(
            new long[][] {{10, 20, 30}, {10, 20, 30}}, new double[][] {{1, 1, 1}, {2, 1, 1}}, 55);
    var result = Knapsack.USUAL.allocate(problem);
    assertThat(result.loss()).isEqualTo(2);
    assertThat(result.allocation().cost(problem.costs())).isEqualTo(50);
  }

  @Test
  void whatIsNotFiniteIsNotChosen() {
    var nan = Double.NaN;
    var infinite = Double.POSITIVE_INFINITY;
    long[][] costs = {{1, 2, 3}, {1, 2, 3}, {1, 2, 3}};
    double[][] losses = {{nan, 1, 0.5}, {5, -infinite, infinite}, {nan, nan, infinite}};
    for (var name : new String[] {"uniform", "owl", "greedy", "knapsack", "lgreco"}) {
      var allocator = Allocators.named(name, java.util.Map.of());
      var result = allocator.allocate(Problems.of(costs, losses, 5));
      assertThat(result.allocation()).as(allocator.name()).isEqualTo(Allocation.of(2, 0, 0));
      assertThat(result.loss()).isEqualTo(5.5);
      assertThatThrownBy(() -> allocator.allocate(Problems.of(costs, losses, 3)))
          .isInstanceOf(LatheException.class)
          .hasMessage("a budget of 3 is less than any choice of levels costs: the least is 4");
    }
  }
}

package ai.lathe.compress.budget;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.compress.allocation.Allocation;
import ai.lathe.compress.allocation.Allocator;
import ai.lathe.compress.allocation.Budget.Phase;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A hundred units of 10 or 100 nanoseconds; everything else takes 1,000. */
class SpeedSearchTest {

  private static final int UNITS = 100;
  private static final Latency.Times LATENCY =
      new Latency.Times(
          IntStream.range(0, UNITS).mapToObj(_ -> new long[] {10, 100}).toArray(long[][]::new),
          1_000,
          11_000);

  private static Choice within(long budget) {
    long slow = Math.clamp((budget - 10 * UNITS) / 90, 0, UNITS);
    var choices = IntStream.range(0, UNITS).mapToObj(unit -> unit < slow ? 1 : 0).toList();
    var result = new Allocator.Result(new Allocation(choices), 0, 0, List.of());
    long used = result.allocation().cost(LATENCY.units());
    return new Choice(result, null, Choice.Cost.NANOSECONDS, budget, used, slow, slow);
  }

  /** The whole model is so much slower than its parts say. */
  private static double measured(Choice choice, double slower) {
    return LATENCY.speedup(choice.allocation()) / slower;
  }

  private static SpeedSearch search(double slower) {
    return new SpeedSearch(
        Goal.speedup("2", Phase.DECODE),
        "levels",
        LATENCY,
        SpeedSearchTest::within,
        choice -> measured(choice, slower));
  }

  @ParameterizedTest
  @ValueSource(doubles = {0.8, 1, 1.3})
  void whatIsMeasuredOfWholeModelsCorrectsTheTable(double slower) {
    assertThat(measured(search(slower).search(2), slower)).isBetween(1.99, 2.05);
  }

  @Test
  void aSpeedThatTheFastestLevelsDoNotHaveIsRefused() {
    assertThatThrownBy(() -> search(1.3).search(5))
        .isInstanceOf(UnreachableException.class)
        .hasMessageContaining("to 4.23076 times");
  }
}

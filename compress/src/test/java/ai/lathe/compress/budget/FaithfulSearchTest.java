package ai.lathe.compress.budget;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.compress.allocation.Allocation;
import ai.lathe.compress.allocation.Allocator;
import java.util.ArrayList;
import java.util.List;
import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Choices come in steps of a kilobyte; losses halve with every tenth of the largest. */
class FaithfulSearchTest {

  private static final long LEAST = 100_000;
  private static final long MOST = 1_000_000;
  private static final long STEP = 1_000;
  private static final long HEADER = 50_000;

  private final List<Choice> judged = new ArrayList<>();

  private static Choice within(long budget) {
    long bytes = budget / STEP * STEP;
    var result = new Allocator.Result(Allocation.of((int) (bytes / STEP)), 0, 0, List.of());
    return new Choice(result, null, Choice.Cost.BYTES, budget, bytes, bytes, bytes + HEADER);
  }

  private static double loss(Choice choice) {
    return choice.bytes() == MOST ? 0 : Math.pow(2, -10.0 * choice.bytes() / MOST);
  }

  private static SmallestChoice choices() {
    return new SmallestChoice(
        FaithfulSearchTest::within, FaithfulSearchTest::loss, LEAST, MOST, 0.005);
  }

  private FaithfulSearch judge(DoubleUnaryOperator heldOut) {
    return new FaithfulSearch(
        choices(),
        choice -> {
          judged.add(choice);
          return heldOut.applyAsDouble(loss(choice));
        });
  }

  @ParameterizedTest
  @ValueSource(doubles = {0.4, 0.1, 0.03, 0.0021})
  void theSmallestChoiceWithinALimitIsFound(double limit) {
    var found = choices().within(limit).orElseThrow();

    double exact = -Math.log(limit) / Math.log(2) / 10 * MOST;
    assertThat(found.loss()).isLessThanOrEqualTo(limit);
    assertThat((double) found.choice().bytes()).isBetween(exact, exact + 0.005 * MOST + 2 * STEP);
  }

  @Test
  void whatWasMeasuredForOneLimitServesTheNext() {
    var measured = new ArrayList<Choice>();
    var choices =
        new SmallestChoice(
            FaithfulSearchTest::within,
            choice -> {
              measured.add(choice);
              return loss(choice);
            },
            LEAST,
            MOST,
            0.005);
    choices.within(0.1);
    int first = measured.size();
    choices.within(0.1);
    assertThat(measured).hasSize(first);
    choices.within(0.11);
    assertThat(measured.size() - first).isLessThan(first);
  }

  @Test
  void aLimitThatTheCheapestMeetsIsMetByIt() {
    assertThat(choices().within(0.9).orElseThrow().choice().bytes()).isEqualTo(LEAST);
    var search = judge(loss -> loss);
    assertThat(search.search(0.9).orElseThrow().bytes()).isEqualTo(LEAST);
    assertThat(judged).hasSize(1);
  }

  /** Whether the other text is harder or easier than the one that is searched on. */
  @ParameterizedTest
  @ValueSource(doubles = {0.5, 0.9, 1, 1.1, 2, 5})
  void theJudgeHasTheLastWord(double harder) {
    var search = judge(loss -> harder * loss);
    double limit = 0.05;
    var found = search.search(limit).orElseThrow();

    assertThat(harder * loss(found)).isLessThanOrEqualTo(limit);
    // Shown, not assumed: something hardly smaller was judged, and lost too much.
    var failed = search.failed().orElseThrow();
    assertThat(harder * loss(failed)).isGreaterThan(limit);
    assertThat(failed.artifactBytes())
        .isLessThan(found.artifactBytes())
        .isGreaterThan((long) (0.975 * found.artifactBytes()));
    assertThat(judged).hasSizeLessThan(7);
  }

  /** A part of the loss that no level takes away. */
  @Test
  void aJudgeWhoseLossesAreNotInProportionIsPleasedToo() {
    var search = judge(loss -> loss + 0.02);
    var found = search.search(0.03).orElseThrow();

    assertThat(loss(found) + 0.02).isLessThanOrEqualTo(0.03);
    assertThat(search.failed().orElseThrow().artifactBytes())
        .isGreaterThan((long) (0.975 * found.artifactBytes()));
  }

  @Test
  void aJudgeThatEvenTheLargestDoesNotPleaseIsTold() {
    assertThat(judge(loss -> loss + 0.02).search(0.01)).isEmpty();
    assertThat(judged.getLast().bytes()).isEqualTo(MOST);
  }
}

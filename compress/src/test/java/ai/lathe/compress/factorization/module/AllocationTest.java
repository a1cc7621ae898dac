package ai.lathe.compress.factorization.module;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.tensor.LatheException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AllocationTest {

  private static final double[] INFLUENCE = {0.6, 0.1, 0.05, 0.02, 0.3};
  private static final long[] WEIGHTS = {1000, 1000, 2000, 1000, 1000};

  @ParameterizedTest
  @CsvSource({"0.2, 0.1", "0.2, 0.02", "0.5, 0.1", "0.5, 1e-4", "0.8, 0.1", "0.3, 1000", "0, 0.1"})
  void sharesSumToWhatIsRemovedAndKeepTheirCap(double removed, double temperature) {
    var shares = Allocation.shares(INFLUENCE, WEIGHTS, WEIGHTS, removed, temperature);
    double gone = 0;
    for (int b = 0; b < shares.length; b++) {
      assertThat(shares[b]).isBetween(0.0, 0.8 + 1e-12);
      gone += shares[b] * WEIGHTS[b];
    }
    assertThat(gone).isCloseTo(removed * 6000, within(1e-6));
    // Less of what counts more.
    for (int a = 0; a < shares.length; a++) {
      for (int b = 0; b < shares.length; b++) {
        if (INFLUENCE[a] < INFLUENCE[b]) {
          assertThat(shares[a]).isGreaterThanOrEqualTo(shares[b]);
        }
      }
    }
  }

  @Test
  void sharesAreTheSoftmaxWhereNoneIsCapped() {
    var influence = new double[] {0.3, 0.1, 0.2};
    var same = new long[] {500, 500, 500};
    var shares = Allocation.shares(influence, same, same, 0.2, 0.1);
    double sum = Math.exp(-3) + Math.exp(-1) + Math.exp(-2);
    assertThat(shares[0]).isCloseTo(3 * 0.2 * Math.exp(-3) / sum, within(1e-12));
    assertThat(shares[1]).isCloseTo(3 * 0.2 * Math.exp(-1) / sum, within(1e-12));
    assertThat(shares[2]).isCloseTo(3 * 0.2 * Math.exp(-2) / sum, within(1e-12));
  }

  @Test
  void excessGoesToTheOthersInProportion() {
    var shares =
        Allocation.shares(
            new double[] {0.4, 0.4 + 0.1 * Math.log(2), 0},
            new long[] {100, 100, 100},
            new long[] {100, 100, 100},
            0.4,
            0.1);
    assertThat(shares[2]).isEqualTo(0.8);
    assertThat(shares[0]).isCloseTo(0.4 * 2 / 3, within(1e-12));
    assertThat(shares[1]).isCloseTo(0.4 / 3, within(1e-12));
  }

  @Test
  void whatCannotBeRemovedIsRefused() {
    assertThatThrownBy(
            () ->
                Allocation.shares(
                    new double[] {0, 1}, new long[] {90, 90}, new long[] {30, 30}, 0.3, 0.1))
        .isInstanceOf(LatheException.class)
        .hasMessage(
            "no block is narrowed by more than 80 %, so that at most 0.267 of the weights can be removed, not 0.3");
  }
}

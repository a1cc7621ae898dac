package ai.lathe.compress.quantization;

import static ai.lathe.compress.layer.RandomLayers.gaussian;
import static ai.lathe.compress.quantization.Problems.grid;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.Matrix;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ScaleSearchTest {

  /**
   * The gamma-squared law of SLQ (arXiv 2605.02404): over a group in {@code [L, U]} that contains 0
   * a symmetric step is {@code gamma = 2 max(|L|, |U|) / (U - L)} times the asymmetric one, and the
   * error {@code gamma^2} times as large.
   */
  @ParameterizedTest
  @CsvSource({"4, 1.0", "4, 0.7", "4, 0.3", "4, 0", "6, 0.5", "8, 0.2"})
  void asymmetricScalesLoseLessByGammaSquared(int bits, double smallerEnd) {
    int groups = 400;
    int size = 128;
    var weight = Matrix.zeros(groups, size);
    var random = new Random(bits);
    for (int row = 0; row < groups; row++) {
      // Groups of many sizes, half of them with the longer end below zero.
      double length = Math.exp(random.nextGaussian()) * (row % 2 == 0 ? 1 : -1);
      for (int j = 0; j < size; j++) {
        double u = j == 0 ? 0 : j == 1 ? 1 : random.nextDouble();
        weight.set(row, j, (float) (length * (u * (1 + smallerEnd) - smallerEnd)));
      }
    }
    var symmetric = Rtn.round(weight, grid(bits, size, true)).decode();
    var asymmetric = Rtn.round(weight, grid(bits, size, false)).decode();
    double ratio = 0;
    for (int row = 0; row < groups; row++) {
      ratio += error(weight, symmetric, row) / error(weight, asymmetric, row) / groups;
    }
    double gamma = 2 / (1 + smallerEnd);
    assertThat(ratio).isCloseTo(gamma * gamma, within(0.06 * gamma * gamma));
  }

  @ParameterizedTest
  @ValueSource(ints = {3, 4})
  void eachEndOfAnAsymmetricRangeIsDrawnInByItself(int bits) {
    // An outlier above, none below: drawing in both ends alike would cut off the lower half.
    var weight = gaussian(1, 1024, 3);
    for (int j = 0; j < 1024; j++) {
      weight.set(0, j, Math.clamp(weight.at(0, j), -1.2f, 1.2f));
    }
    weight.set(0, 7, 2.6f);
    weight.set(0, 8, -1.2f);
    double searched = error(weight, bits, ScaleSearch.MSE, false);
    double together = Double.POSITIVE_INFINITY;
    for (int step = 0; step <= 20; step++) {
      float share = 1 - step * 0.03f;
      var cut = weight.copy();
      for (int j = 0; j < 1024; j++) {
        cut.set(0, j, Math.clamp(cut.at(0, j), -1.2f * share, 2.6f * share));
      }
      var decoded = Rtn.round(cut, grid(bits, 1024, false)).decode();
      together = Math.min(together, error(weight, decoded, 0));
    }
    assertThat(searched).isLessThan(0.99 * together);
  }

  @ParameterizedTest
  @CsvSource({"MIN_MAX, 1", "MIN_MAX, -1", "MSE, 1", "MSE, -1"})
  void groupsOfOneSignHaveZeroInTheirRange(ScaleSearch search, int sign) {
    var random = new Random(5);
    var weight = Matrix.zeros(1, 64);
    for (int j = 0; j < 64; j++) {
      weight.set(0, j, sign * (3 + random.nextFloat()));
    }
    weight.set(0, 9, 0);
    var q = (GroupQuantized) Rtn.round(weight, grid(4, 64, false, search));
    assertThat(q.decode().at(0, 9)).isZero();
    assertThat(q.zeros()[0]).isEqualTo((byte) (sign > 0 ? -8 : 7));
  }

  @Test
  void aNegativeScaleGivesTheLastCodeToTheLongerSide() {
    var weight = new Matrix(2, 8, new float[16]);
    for (int j = 0; j < 8; j++) {
      weight.set(0, j, j % 4 - 1);
      weight.set(1, j, 1 - j % 4);
    }
    var grid = grid(2, 8, true, ScaleSearch.SIGNED_MSE);
    var q = (GroupQuantized) Rtn.round(weight, grid);
    // -1 .. 2 needs codes 1 .. -2, and 1 .. -2 is what there is.
    assertThat(q.scales().toFloats()[0]).isNegative();
    assertThat(q.scales().toFloats()[1]).isPositive();
    assertThat(error(weight, q.decode(), 0)).isCloseTo(error(weight, q.decode(), 1), within(1e-6));
    assertThat(q.codes()).startsWith(1, 0, -1, -2, 1, 0, -1, -2, 1, 0, -1, -2);
    assertThat(error(weight, q.decode(), 0))
        .isLessThan(0.2 * error(weight, 2, ScaleSearch.MSE, true));
  }

  private static double error(Matrix weight, int bits, ScaleSearch search, boolean symmetric) {
    var grid = grid(bits, weight.columns(), symmetric, search);
    return error(weight, Rtn.round(weight, grid).decode(), 0);
  }

  private static double error(Matrix weight, Matrix decoded, int row) {
    double sum = 0;
    for (int j = 0; j < weight.columns(); j++) {
      sum += Math.pow(weight.at(row, j) - decoded.at(row, j), 2);
    }
    return sum;
  }
}

package ai.lathe.tensor.linalg;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.tensor.Matrix;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TruncatedSvdTest {

  private static Matrix random(int m, int n, boolean positive) {
    var random = new Random(m + 31L * n);
    var a = Matrix.zeros(m, n);
    for (int i = 0; i < a.values().length; i++) {
      float value = (float) random.nextGaussian();
      a.values()[i] = positive ? Math.abs(value) : value;
    }
    return a;
  }

  /** Squares of the singular values, by Jacobi on {@code A^T A} in float64. */
  private static double[] exact(Matrix a) {
    int n = a.columns();
    var gram = new double[n][n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        for (int k = 0; k < a.rows(); k++) {
          gram[i][j] += (double) a.at(k, i) * a.at(k, j);
        }
      }
    }
    return SymmetricEigen.of(gram).values();
  }

  @ParameterizedTest
  @CsvSource({"60, 40, 8", "40, 60, 8", "100, 70, 16", "5, 5, 5", "1, 7, 1", "128, 96, 16"})
  void theRestIsHardlyMoreThanTheLeastPossible(int m, int n, int rank) {
    var a = random(m, n, true);
    var squares = exact(a);
    var svd = TruncatedSvd.of(a, rank, 6);
    double rest = 0;
    double total = 0;
    for (int i = 0; i < m; i++) {
      for (int j = 0; j < n; j++) {
        double value = a.at(i, j);
        total += value * value;
        for (int k = 0; k < rank; k++) {
          value -= svd.s()[k] * svd.u().at(i, k) * svd.vt().at(k, j);
        }
        rest += value * value;
      }
    }
    double least = 0;
    for (int k = rank; k < n; k++) {
      least += Math.max(0, squares[k]);
    }
    assertThat(rest).isBetween(0.999 * least - 1e-9 * total, 1.005 * least + 1e-9 * total);
    for (int k = 0; k < rank; k++) {
      assertThat(svd.s()[k]).isCloseTo(Math.sqrt(squares[k]), within(0.01 * svd.s()[k]));
    }
  }

  @Test
  void aMatrixOfLowRankComesBack() {
    var left = random(50, 4, false);
    var right = random(4, 30, false);
    var a = Matrix.zeros(50, 30);
    Gemm.add(View.of(a), View.of(left), View.of(right));
    var svd = TruncatedSvd.of(a, 6, 4);
    assertThat(svd.s()[3]).isGreaterThan(1);
    assertThat(svd.s()[4]).isLessThan(1e-3);
    for (int i = 0; i < 50; i++) {
      for (int j = 0; j < 30; j++) {
        double value = 0;
        for (int k = 0; k < 4; k++) {
          value += svd.s()[k] * svd.u().at(i, k) * svd.vt().at(k, j);
        }
        assertThat(value).isCloseTo(a.at(i, j), within(1e-4));
      }
    }
  }
}

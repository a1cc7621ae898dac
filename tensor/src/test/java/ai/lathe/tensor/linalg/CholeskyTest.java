package ai.lathe.tensor.linalg;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.tensor.Matrix;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CholeskyTest {

  /** {@code H^-1 = U^T U} says {@code U H U^T = I}; multiplied out in float64. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 7, 127, 128, 129, 300, 515})
  void theFactorsProductIsTheInverse(int n) {
    var h = positiveDefinite(n, 42);
    var u = h.copy();
    assertThat(Cholesky.inverseFactor(u)).isEmpty();
    var uh = new double[n][n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < i; j++) {
        assertThat(u.at(i, j)).isZero();
      }
      assertThat(u.at(i, i)).isPositive();
      for (int k = i; k < n; k++) {
        for (int j = 0; j < n; j++) {
          uh[i][j] += (double) u.at(i, k) * h.at(k, j);
        }
      }
    }
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        double sum = 0;
        for (int k = j; k < n; k++) {
          sum += uh[i][k] * u.at(j, k);
        }
        assertThat(sum).isCloseTo(i == j ? 1 : 0, within(2e-4));
      }
    }
  }

  @Test
  void onlyTheUpperTriangleIsRead() {
    var h = positiveDefinite(200, 1);
    var u = h.copy();
    Cholesky.inverseFactor(u);
    for (int i = 0; i < 200; i++) {
      for (int j = 0; j < i; j++) {
        h.set(i, j, Float.NaN);
      }
    }
    Cholesky.inverseFactor(h);
    assertThat(h.values()).isEqualTo(u.values());
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 77, 150, 299})
  void aColumnThatIsNotPositiveDefiniteIsNamed(int bad) {
    var h = Matrix.zeros(300, 300);
    for (int i = 0; i < 300; i++) {
      h.set(i, i, i == bad ? -1 : 2);
    }
    assertThat(Cholesky.inverseFactor(h)).hasValue(bad);
    h = positiveDefinite(300, 2);
    h.set(bad, bad, Float.NaN);
    assertThat(Cholesky.inverseFactor(h)).isPresent();
  }

  private static Matrix positiveDefinite(int n, long seed) {
    var random = new Random(seed);
    var x = Matrix.zeros(n, 2 * n);
    for (int i = 0; i < x.values().length; i++) {
      x.values()[i] = (float) random.nextGaussian();
    }
    var h = Matrix.zeros(n, n);
    Gemm.add(View.of(h), View.of(x), View.of(x).transposed());
    for (int i = 0; i < n; i++) {
      h.set(i, i, h.at(i, i) + 0.02f * n);
    }
    return h;
  }
}

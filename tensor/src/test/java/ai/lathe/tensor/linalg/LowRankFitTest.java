package ai.lathe.tensor.linalg;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.LowRankFit.Metric;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LowRankFitTest {

  private static Matrix random(int m, int n, long seed) {
    var random = new Random(seed);
    var a = Matrix.zeros(m, n);
    for (int i = 0; i < a.values().length; i++) {
      a.values()[i] = (float) random.nextGaussian();
    }
    return a;
  }

  private static Matrix product(View a, View b) {
    var product = Matrix.zeros(a.rows(), b.columns());
    Gemm.add(View.of(product), a, b);
    return product;
  }

  /** Of inputs of very different sizes, a few of which cause half of all others. */
  private static Matrix gram(int n, int tokens, long seed) {
    var x = random(n, tokens, seed);
    Gemm.add(
        View.of(x), View.of(random(n, n / 4 + 1, seed + 1)), View.of(random(n / 4 + 1, tokens, 9)));
    for (int i = 0; i < x.values().length; i++) {
      x.values()[i] *= (float) Math.exp((i / tokens) % 5 - 2);
    }
    return product(View.of(x), View.of(x).transposed());
  }

  private static double size(Matrix e, Metric metric) {
    var weighted = metric.times(e);
    double sum = 0;
    for (int i = 0; i < e.values().length; i++) {
      sum += (double) weighted.values()[i] * e.values()[i];
    }
    return sum;
  }

  private static Matrix rest(Matrix a, LowRankFit fit) {
    var rest = a.copy();
    Gemm.subtract(View.of(rest), View.of(fit.u()), View.of(fit.right()));
    return rest;
  }

  /** Eigenvalues of {@code A H A^T}, the squares of the singular values of {@code A T}. */
  private static double[] squares(Matrix a, Metric metric) {
    var weighted = metric.times(a);
    var inner = new double[a.rows()][a.rows()];
    for (int i = 0; i < a.rows(); i++) {
      for (int j = 0; j < a.rows(); j++) {
        for (int k = 0; k < a.columns(); k++) {
          inner[i][j] += (double) weighted.at(i, k) * a.at(j, k);
        }
      }
    }
    return SymmetricEigen.of(inner).values();
  }

  @ParameterizedTest
  @CsvSource({"40, 60, 8", "60, 40, 8", "30, 30, 29", "64, 48, 1"})
  void whatIsLeftIsTheSumOfTheSquaresThatWereDropped(int m, int n, int rank) {
    var a = random(m, n, m);
    var diagonal = new float[n];
    for (int j = 0; j < n; j++) {
      diagonal[j] = (float) Math.exp(j % 7 - 3);
    }
    for (var metric :
        new Metric[] {
          Metric.PLAIN, new Metric.Diagonal(diagonal), new Metric.Full(gram(n, 3 * n, 5))
        }) {
      var squares = squares(a, metric);
      var fit = LowRankFit.of(a, metric, rank, 20);
      double total = 0;
      double dropped = 0;
      for (int k = 0; k < m; k++) {
        total += squares[k];
        dropped += k < rank ? 0 : Math.max(0, squares[k]);
      }
      assertThat(size(rest(a, fit), metric)).isCloseTo(dropped, within(2e-6 * total));
      for (int k = 0; k < rank; k++) {
        assertThat(fit.s()[k] * fit.s()[k]).isCloseTo(squares[k], within(1e-3 * squares[k]));
      }
    }
  }

  @Test
  void noOtherMatrixOfTheRankIsNearer() {
    var a = random(50, 40, 1);
    var gram = new Metric.Full(gram(40, 200, 2));
    for (int rank : new int[] {1, 4, 12, 30}) {
      double best = size(rest(a, LowRankFit.of(a, gram, rank, 20)), gram);
      double plain = size(rest(a, LowRankFit.of(a, Metric.PLAIN, rank, 20)), gram);
      assertThat(best).isLessThan(plain);
    }
  }

  /** EoRA's and SLiM's formula, with the eigenvectors of {@code H} and its inverse root. */
  @Test
  void isWhatTheEigenspaceOfTheGramMatrixGives() {
    int n = 24;
    int m = 30;
    int rank = 5;
    var a = random(m, n, 3);
    var h = gram(n, 100, 4);
    var symmetric = new double[n][n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        symmetric[i][j] = (h.at(i, j) + h.at(j, i)) / 2.0;
      }
    }
    var eigen = SymmetricEigen.of(symmetric);
    var root = Matrix.zeros(n, n);
    var inverse = Matrix.zeros(n, n);
    for (int i = 0; i < n; i++) {
      for (int k = 0; k < n; k++) {
        double value = Math.sqrt(eigen.values()[k]);
        root.set(i, k, (float) (eigen.vectors()[i][k] * value));
        inverse.set(k, i, (float) (eigen.vectors()[i][k] / value));
      }
    }
    var svd = TruncatedSvd.of(product(View.of(a), View.of(root)), rank, 40);
    var scaled = svd.vt().copy();
    for (int i = 0; i < scaled.values().length; i++) {
      scaled.values()[i] *= (float) svd.s()[i / n];
    }
    var expected = product(View.of(svd.u()), View.of(product(View.of(scaled), View.of(inverse))));
    var fit = LowRankFit.of(a, new Metric.Full(h), rank, 40);
    var actual = product(View.of(fit.u()), View.of(fit.right()));
    for (int i = 0; i < expected.values().length; i++) {
      assertThat(actual.values()[i]).isCloseTo(expected.values()[i], within(2e-3f));
    }
  }

  @Test
  void theFullRankGivesTheMatrixBack() {
    for (var a : new Matrix[] {random(20, 33, 6), random(33, 20, 7)}) {
      var fit = LowRankFit.of(a, new Metric.Full(gram(a.columns(), 90, 8)), 20, 6);
      for (float left : rest(a, fit).values()) {
        assertThat(left).isCloseTo(0, within(1e-4f));
      }
    }
  }

  /** Inputs that never were anything else than zero: nothing is divided by their square. */
  @Test
  void singularMetricsDoNoHarm() {
    var a = random(20, 16, 10);
    var squares = new float[16];
    squares[3] = 1;
    squares[5] = 4;
    var fit = LowRankFit.of(a, new Metric.Diagonal(squares), 4, 6);
    assertThat(fit.s()[2]).isLessThan(1e-3);
    assertThat(size(rest(a, fit), new Metric.Diagonal(squares))).isLessThan(1e-8);
    for (float value : fit.right().values()) {
      assertThat(value).isFinite();
    }
  }
}

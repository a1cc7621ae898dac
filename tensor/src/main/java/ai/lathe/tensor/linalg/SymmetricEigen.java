package ai.lathe.tensor.linalg;

import java.util.Arrays;
import java.util.Comparator;

/**
 * Eigenvalues and eigenvectors of a small symmetric matrix, by Jacobi's rotations in float64.
 *
 * @param values descending
 * @param vectors column {@code k} belongs to value {@code k}
 */
public record SymmetricEigen(double[] values, double[][] vectors) {

  private static final int SWEEPS = 60;

  /** The matrix is not changed. */
  public static SymmetricEigen of(double[][] symmetric) {
    int n = symmetric.length;
    var a = Arrays.stream(symmetric).map(double[]::clone).toArray(double[][]::new);
    var v = new double[n][n];
    for (int i = 0; i < n; i++) {
      v[i][i] = 1;
    }
    for (int sweep = 0; sweep < SWEEPS && !diagonal(a); sweep++) {
      for (int p = 0; p < n; p++) {
        for (int q = p + 1; q < n; q++) {
          if (a[p][q] != 0) {
            rotate(a, v, p, q);
          }
        }
      }
    }
    var order =
        java.util.stream.IntStream.range(0, n)
            .boxed()
            .sorted(Comparator.comparingDouble((Integer i) -> -a[i][i]))
            .toList();
    var values = order.stream().mapToDouble(i -> a[i][i]).toArray();
    var vectors = new double[n][n];
    for (int i = 0; i < n; i++) {
      for (int k = 0; k < n; k++) {
        vectors[i][k] = v[i][order.get(k)];
      }
    }
    return new SymmetricEigen(values, vectors);
  }

  private static boolean diagonal(double[][] a) {
    double off = 0;
    double on = 0;
    for (int i = 0; i < a.length; i++) {
      on += a[i][i] * a[i][i];
      for (int j = 0; j < i; j++) {
        off += a[i][j] * a[i][j];
      }
    }
    return off <= 1e-26 * on;
  }

  /** Makes {@code a[p][q]} zero. */
  private static void rotate(double[][] a, double[][] v, int p, int q) {
    double theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
    double t = Math.copySign(1, theta) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
    double cos = 1 / Math.sqrt(t * t + 1);
    double sin = t * cos;
    for (int k = 0; k < a.length; k++) {
      double x = a[k][p];
      double y = a[k][q];
      a[k][p] = cos * x - sin * y;
      a[k][q] = sin * x + cos * y;
    }
    for (int k = 0; k < a.length; k++) {
      double x = a[p][k];
      double y = a[q][k];
      a[p][k] = cos * x - sin * y;
      a[q][k] = sin * x + cos * y;
      x = v[k][p];
      y = v[k][q];
      v[k][p] = cos * x - sin * y;
      v[k][q] = sin * x + cos * y;
    }
  }
}

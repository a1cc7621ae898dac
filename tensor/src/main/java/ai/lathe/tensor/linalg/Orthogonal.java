package ai.lathe.tensor.linalg;

import ai.lathe.tensor.Matrix;
import java.util.SplittableRandom;

/** Orthogonal matrices: {@code Q Q^T = I}. */
public final class Orthogonal {

  private Orthogonal() {}

  /**
   * One of all orthogonal matrices {@code [n, n]}, each as likely as any other: the rows of a
   * Gaussian matrix, made orthonormal one after the other in float64. Two passes over the earlier
   * rows leave no more than rounding error along any of them.
   */
  public static Matrix random(int n, long seed) {
    var random = new SplittableRandom(seed);
    var rows = new double[n][n];
    for (int i = 0; i < n; i++) {
      var row = rows[i];
      for (int j = 0; j < n; j++) {
        row[j] = random.nextGaussian();
      }
      for (int pass = 0; pass < 2; pass++) {
        removeAlong(rows, i);
      }
      normalize(row);
    }
    var matrix = Matrix.zeros(n, n);
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        matrix.set(i, j, (float) rows[i][j]);
      }
    }
    return matrix;
  }

  /** Takes from row {@code i} its parts along all rows before it. */
  private static void removeAlong(double[][] rows, int i) {
    var row = rows[i];
    var parts = new double[i];
    Parallel.forEach(
        i,
        k -> {
          double sum = 0;
          for (int j = 0; j < row.length; j++) {
            sum += row[j] * rows[k][j];
          }
          parts[k] = sum;
        });
    for (int k = 0; k < i; k++) {
      for (int j = 0; j < row.length; j++) {
        row[j] -= parts[k] * rows[k][j];
      }
    }
  }

  private static void normalize(double[] row) {
    double squares = 0;
    for (double value : row) {
      squares += value * value;
    }
    double factor = 1 / Math.sqrt(squares);
    for (int j = 0; j < row.length; j++) {
      row[j] *= factor;
    }
  }
}

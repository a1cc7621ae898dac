package ai.lathe.tensor.linalg;

import ai.lathe.tensor.Matrix;
import java.util.OptionalInt;

/**
 * The triangular factor of an inverse: {@code H^-1 = U^T U} with {@code U} upper triangular,
 * without ever forming {@code H^-1}.
 *
 * <p>Factoring from the last column to the first gives {@code H = R R^T} with {@code R} upper
 * triangular, and then {@code U = R^-1}: two triangular sweeps of {@code n^3 / 3} operations each,
 * where factor, inverse and factor of the inverse would take twice as many. Nearly all of it is
 * products of blocks.
 */
public final class Cholesky {

  /** Columns of a diagonal block, which is treated in float64. */
  private static final int BLOCK = 128;

  private Cholesky() {}

  /**
   * Replaces {@code h [n, n]}, symmetric and positive definite, by {@code U}, zeros below the
   * diagonal included. Only the upper triangle is read.
   *
   * @return empty on success; else a column at which {@code h} proved not to be positive definite,
   *     and {@code h} is left in an unspecified state
   */
  public static OptionalInt inverseFactor(Matrix h) {
    int n = h.rows();
    if (h.columns() != n) {
      throw new IllegalArgumentException("not square: " + n + " x " + h.columns());
    }
    var inverses = new Matrix[Math.ceilDiv(n, BLOCK)];
    for (int block = inverses.length - 1; block >= 0; block--) {
      int from = block * BLOCK;
      int to = Math.min(from + BLOCK, n);
      var diagonal = new double[(to - from) * (to - from)];
      int failed = factorDiagonal(h, from, to, diagonal);
      if (failed >= 0) {
        return OptionalInt.of(failed);
      }
      inverses[block] = invertUpper(diagonal, to - from);
      // R[0:from, block] = H[0:from, block] R_bb^-T, then H -= R R^T above and to the left.
      var panel = View.of(h, 0, from, from, to);
      multiplyInPlace(panel, View.of(inverses[block]).transposed());
      Gemm.subtractUpper(View.of(h, 0, from, 0, from), panel, panel.transposed());
    }
    for (int block = 0; block < inverses.length; block++) {
      int from = block * BLOCK;
      int to = Math.min(from + BLOCK, n);
      // Rows above the block hold U R summed over the blocks to the left; its own rows still hold
      // R.
      var above = View.of(h, 0, from, from, to);
      multiplyInPlace(above, View.of(inverses[block]));
      negate(above);
      copy(View.of(inverses[block]), View.of(h, from, to, from, to));
      var right = View.of(h, from, to, to, n);
      var row = Matrix.zeros(to - from, n - to);
      copy(right, View.of(row));
      clear(right);
      Gemm.add(View.of(h, 0, to, to, n), View.of(h, 0, to, from, to), View.of(row));
    }
    Parallel.forEach(n, row -> java.util.Arrays.fill(h.values(), row * n, row * n + row, 0));
    return OptionalInt.empty();
  }

  /**
   * {@code H_bb = R R^T} of the diagonal block {@code [from, to)}, from its last column to its
   * first.
   *
   * @return the column of {@code h} whose pivot is not positive, or -1
   */
  private static int factorDiagonal(Matrix h, int from, int to, double[] r) {
    int m = to - from;
    for (int i = 0; i < m; i++) {
      for (int j = i; j < m; j++) {
        r[j * m + i] = h.at(from + i, from + j);
      }
    }
    // Held transposed while it is computed, so that the innermost loop runs along rows.
    for (int j = m - 1; j >= 0; j--) {
      double pivot = r[j * m + j];
      if (!(pivot > 0 && pivot < Double.POSITIVE_INFINITY)) {
        return from + j;
      }
      double root = Math.sqrt(pivot);
      for (int i = 0; i <= j; i++) {
        r[j * m + i] /= root;
      }
      for (int k = 0; k < j; k++) {
        double factor = r[j * m + k];
        for (int i = 0; i <= k; i++) {
          r[k * m + i] -= factor * r[j * m + i];
        }
      }
    }
    for (int i = 0; i < m; i++) {
      for (int j = i + 1; j < m; j++) {
        r[i * m + j] = r[j * m + i];
        r[j * m + i] = 0;
      }
    }
    return -1;
  }

  /** The inverse of the upper triangular {@code r [m, m]}, by back substitution row by row. */
  private static Matrix invertUpper(double[] r, int m) {
    var inverse = new double[m * m];
    for (int i = m - 1; i >= 0; i--) {
      inverse[i * m + i] = 1;
      for (int k = i + 1; k < m; k++) {
        double factor = r[i * m + k];
        for (int j = k; j < m; j++) {
          inverse[i * m + j] -= factor * inverse[k * m + j];
        }
      }
      double pivot = r[i * m + i];
      for (int j = i; j < m; j++) {
        inverse[i * m + j] /= pivot;
      }
    }
    var rounded = Matrix.zeros(m, m);
    for (int i = 0; i < inverse.length; i++) {
      rounded.values()[i] = (float) inverse[i];
    }
    return rounded;
  }

  /** {@code target = target factor}. */
  private static void multiplyInPlace(View target, View factor) {
    var old = Matrix.zeros(target.rows(), target.columns());
    copy(target, View.of(old));
    clear(target);
    Gemm.add(target, View.of(old), factor);
  }

  private static void copy(View from, View to) {
    for (int row = 0; row < from.rows(); row++) {
      System.arraycopy(
          from.values(),
          from.offset() + row * from.rowStride(),
          to.values(),
          to.offset() + row * to.rowStride(),
          from.columns());
    }
  }

  private static void clear(View view) {
    for (int row = 0; row < view.rows(); row++) {
      int at = view.offset() + row * view.rowStride();
      java.util.Arrays.fill(view.values(), at, at + view.columns(), 0);
    }
  }

  private static void negate(View view) {
    for (int row = 0; row < view.rows(); row++) {
      int at = view.offset() + row * view.rowStride();
      for (int i = at; i < at + view.columns(); i++) {
        view.values()[i] = -view.values()[i];
      }
    }
  }
}

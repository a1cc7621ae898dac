package ai.lathe.compress.pruning.fisher;

/** Inverses of small symmetric positive definite matrices, in float64. */
final class Inverse {

  private Inverse() {}

  /**
   * Gauss-Jordan elimination without pivoting, which such matrices do not need.
   *
   * @param a {@code [n, n]} row-major, replaced by its inverse
   * @return false where it is not positive definite; its contents are then undefined
   */
  static boolean inPlace(double[] a, int n) {
    for (int p = 0; p < n; p++) {
      double pivot = a[p * n + p];
      if (!(pivot > 0 && pivot < Double.POSITIVE_INFINITY)) {
        return false;
      }
      double scale = 1 / pivot;
      a[p * n + p] = 1;
      for (int j = 0; j < n; j++) {
        a[p * n + j] *= scale;
      }
      for (int i = 0; i < n; i++) {
        double factor = a[i * n + p];
        if (i != p && factor != 0) {
          a[i * n + p] = 0;
          subtract(a, i * n, factor, p * n, n);
        }
      }
    }
    return true;
  }

  /**
   * {@code a[to ..] -= factor * a[from ..]}, {@code n} numbers; a loop that the compiler
   * vectorizes.
   */
  static void subtract(double[] a, int to, double factor, int from, int n) {
    for (int j = 0; j < n; j++) {
      a[to + j] -= factor * a[from + j];
    }
  }
}

package ai.lathe.tensor.linalg;

import ai.lathe.tensor.Matrix;

/**
 * The largest singular values of a matrix and their vectors, {@code A = U diag(S) V^T} nearly. The
 * same matrix gives the same result.
 *
 * @param u {@code [m, rank]}, orthonormal columns
 * @param s {@code [rank]}, descending
 * @param vt {@code [rank, n]}, orthonormal rows; zero where a singular value is
 * @see LowRankFit
 */
public record TruncatedSvd(Matrix u, double[] s, Matrix vt) {

  /**
   * @param rank at least 1, and no more than {@code A} has rows or columns
   * @param iterations 6 or so
   */
  public static TruncatedSvd of(Matrix a, int rank, int iterations) {
    var fit = LowRankFit.of(a, LowRankFit.Metric.PLAIN, rank, iterations);
    var vt = fit.right();
    for (int k = 0; k < rank; k++) {
      float factor = fit.s()[k] == 0 ? 0 : (float) (1 / fit.s()[k]);
      for (int j = 0; j < vt.columns(); j++) {
        vt.values()[k * vt.columns() + j] *= factor;
      }
    }
    return new TruncatedSvd(fit.u(), fit.s(), vt);
  }
}

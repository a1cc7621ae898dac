package ai.lathe.tensor.linalg;

import ai.lathe.tensor.Matrix;
import java.util.SplittableRandom;

/**
 * The largest singular values of a matrix and their vectors, {@code A = U diag(S) V^T} nearly: by
 * randomized subspace iteration. Each iteration shrinks what of the vectors left out is mixed in by
 * the square of the ratio of singular values, so what is lost is within a few per mille of the
 * least possible even where they hardly fall. The same matrix gives the same result.
 *
 * @param u {@code [m, rank]}, orthonormal columns
 * @param s {@code [rank]}, descending
 * @param vt {@code [rank, n]}, orthonormal rows
 * @see <a href="https://arxiv.org/abs/0909.4061">Halko, Martinsson, Tropp, 2009</a>
 */
public record TruncatedSvd(Matrix u, double[] s, Matrix vt) {

  /** Vectors that are iterated beside those asked for. */
  private static final int MORE = 16;

  /**
   * @param rank at least 1, and no more than {@code A} has rows or columns
   * @param iterations 6 or so
   */
  public static TruncatedSvd of(Matrix a, int rank, int iterations) {
    int m = a.rows();
    int n = a.columns();
    int p = Math.min(rank + MORE, Math.min(m, n));
    var random = new SplittableRandom(17);
    // Vectors are rows, so that each is contiguous.
    var right = Matrix.zeros(p, n);
    for (int i = 0; i < right.values().length; i++) {
      right.values()[i] = (float) random.nextGaussian();
    }
    var left = Matrix.zeros(p, m);
    for (int i = 0; i < iterations; i++) {
      left = product(View.of(right), View.of(a).transposed());
      orthonormalize(left);
      right = product(View.of(left), View.of(a));
      if (i + 1 < iterations) {
        orthonormalize(right);
      }
    }
    // A is nearly Q^T B with Q = left and B = right = Q A; the eigenvectors of B B^T turn them.
    var gram = new double[p][p];
    for (int i = 0; i < p; i++) {
      for (int j = 0; j <= i; j++) {
        gram[i][j] = gram[j][i] = dot(right, i, j);
      }
    }
    var turn = SymmetricEigen.of(gram);
    var u = Matrix.zeros(m, rank);
    var s = new double[rank];
    var vt = Matrix.zeros(rank, n);
    for (int k = 0; k < rank; k++) {
      s[k] = Math.sqrt(Math.max(0, turn.values()[k]));
      for (int i = 0; i < p; i++) {
        double weight = turn.vectors()[i][k];
        for (int row = 0; row < m; row++) {
          u.values()[row * rank + k] += (float) (weight * left.at(i, row));
        }
        double scaled = s[k] == 0 ? 0 : weight / s[k];
        for (int j = 0; j < n; j++) {
          vt.values()[k * n + j] += (float) (scaled * right.at(i, j));
        }
      }
    }
    return new TruncatedSvd(u, s, vt);
  }

  private static Matrix product(View a, View b) {
    var product = Matrix.zeros(a.rows(), b.columns());
    Gemm.add(View.of(product), a, b);
    return product;
  }

  /** Gram-Schmidt on the rows, twice, which is enough; a row that depends on others becomes 0. */
  private static void orthonormalize(Matrix rows) {
    int n = rows.columns();
    for (int i = 0; i < rows.rows(); i++) {
      double before = Math.sqrt(dot(rows, i, i));
      for (int pass = 0; pass < 2; pass++) {
        for (int j = 0; j < i; j++) {
          Gemm.axpy(n, (float) -dot(rows, i, j), rows.values(), j * n, rows.values(), i * n);
        }
      }
      double norm = Math.sqrt(dot(rows, i, i));
      float factor = norm > 1e-6 * before ? (float) (1 / norm) : 0;
      for (int j = 0; j < n; j++) {
        rows.values()[i * n + j] *= factor;
      }
    }
  }

  private static double dot(Matrix rows, int i, int j) {
    double sum = 0;
    for (int k = 0; k < rows.columns(); k++) {
      sum += (double) rows.at(i, k) * rows.at(j, k);
    }
    return sum;
  }
}

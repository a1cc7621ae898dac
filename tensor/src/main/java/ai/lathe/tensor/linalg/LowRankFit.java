package ai.lathe.tensor.linalg;

import ai.lathe.tensor.Matrix;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * The nearest matrix of low rank to {@code A}, where the size of an error {@code E} is {@code tr(E
 * H E^T)}: plain for {@code H = I}, of the outputs for the Gram matrix {@code H = X X^T} of the
 * inputs.
 *
 * <p>With any square root {@code H = T T^T}, it is the truncated {@code A T = U S V^T} taken back
 * by {@code T^-1}. Neither the root nor its inverse is needed: {@code U S V^T T^-1 = U U^T A}, so
 * the answer is {@code A} projected on the largest eigenvectors of {@code A H A^T}. These come from
 * randomized subspace iteration: each iteration shrinks what of the vectors left out is mixed in by
 * the square of the ratio of singular values, so what is lost is within a few per mille of the
 * least possible even where they hardly fall. The same matrix gives the same result.
 *
 * @param u {@code [m, rank]}, orthonormal columns
 * @param s {@code [rank]}, descending: the largest singular values of {@code A T}. What is left of
 *     {@code tr(A H A^T)} is the sum of the squares of the others
 * @param right {@code U^T A [rank, n]}
 * @see <a href="https://arxiv.org/abs/0909.4061">Halko, Martinsson, Tropp, 2009</a>
 */
public record LowRankFit(Matrix u, double[] s, Matrix right) {

  /** {@code H}: what an error of each input weighs, and of which pairs of them. */
  public sealed interface Metric {

    Metric PLAIN = new Plain();

    /** The identity. */
    record Plain() implements Metric {
      @Override
      public Matrix times(Matrix rows) {
        return rows;
      }
    }

    /**
     * @param squares {@code [n]}, not negative
     */
    record Diagonal(float[] squares) implements Metric {
      @Override
      public Matrix times(Matrix rows) {
        var product = rows.copy();
        for (int i = 0; i < product.values().length; i++) {
          product.values()[i] *= squares[i % squares.length];
        }
        return product;
      }

      @Override
      public boolean equals(Object other) {
        return other instanceof Diagonal(float[] own) && Arrays.equals(squares, own);
      }

      @Override
      public int hashCode() {
        return Arrays.hashCode(squares);
      }
    }

    /**
     * @param gram {@code [n, n]}, symmetric and positive semidefinite
     */
    record Full(Matrix gram) implements Metric {
      @Override
      public Matrix times(Matrix rows) {
        return product(View.of(rows), View.of(gram));
      }
    }

    /**
     * {@code R H}; may be {@code R} itself.
     *
     * @param rows {@code R [p, n]}, not changed
     */
    Matrix times(Matrix rows);
  }

  /** Vectors that are iterated beside those asked for. */
  private static final int MORE = 16;

  /**
   * @param rank at least 1, and no more than {@code A} has rows or columns
   * @param iterations 6 or so
   */
  public static LowRankFit of(Matrix a, Metric metric, int rank, int iterations) {
    int m = a.rows();
    int n = a.columns();
    int p = Math.min(rank + MORE, Math.min(m, n));
    var random = new SplittableRandom(17);
    // Vectors are rows, so that each is contiguous.
    var right = Matrix.zeros(p, n);
    for (int i = 0; i < right.values().length; i++) {
      right.values()[i] = (float) random.nextGaussian();
    }
    var weighted = metric.times(right);
    var left = Matrix.zeros(p, m);
    for (int i = 0; i < iterations; i++) {
      left = product(View.of(weighted), View.of(a).transposed());
      orthonormalize(left);
      right = product(View.of(left), View.of(a));
      weighted = metric.times(right);
      if (i + 1 < iterations) {
        orthonormalize(weighted);
      }
    }
    // U lies nearly in the span of left = Q; the eigenvectors of (Q A) H (Q A)^T turn it.
    var inner = new double[p][p];
    for (int i = 0; i < p; i++) {
      for (int j = 0; j <= i; j++) {
        inner[i][j] = inner[j][i] = dot(weighted, i, right, j);
      }
    }
    var turn = SymmetricEigen.of(inner);
    var s = new double[rank];
    var u = Matrix.zeros(m, rank);
    var projected = Matrix.zeros(rank, n);
    for (int k = 0; k < rank; k++) {
      s[k] = Math.sqrt(Math.max(0, turn.values()[k]));
      for (int i = 0; i < p; i++) {
        double weight = turn.vectors()[i][k];
        for (int row = 0; row < m; row++) {
          u.values()[row * rank + k] += (float) (weight * left.at(i, row));
        }
        for (int j = 0; j < n; j++) {
          projected.values()[k * n + j] += (float) (weight * right.at(i, j));
        }
      }
    }
    return new LowRankFit(u, s, projected);
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
      double before = Math.sqrt(dot(rows, i, rows, i));
      for (int pass = 0; pass < 2; pass++) {
        for (int j = 0; j < i; j++) {
          Gemm.axpy(n, (float) -dot(rows, i, rows, j), rows.values(), j * n, rows.values(), i * n);
        }
      }
      double norm = Math.sqrt(dot(rows, i, rows, i));
      float factor = norm > 1e-6 * before ? (float) (1 / norm) : 0;
      for (int j = 0; j < n; j++) {
        rows.values()[i * n + j] *= factor;
      }
    }
  }

  private static double dot(Matrix a, int i, Matrix b, int j) {
    double sum = 0;
    for (int k = 0; k < a.columns(); k++) {
      sum += (double) a.at(i, k) * b.at(j, k);
    }
    return sum;
  }
}

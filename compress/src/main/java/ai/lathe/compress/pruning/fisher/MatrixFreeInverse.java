package ai.lathe.compress.pruning.fisher;

/**
 * Products with {@code (lambda I + 1/m sum of g g^T)^-1} without that matrix: Woodbury's identity,
 * one gradient after the other, leaves {@code F^-1 x = x / lambda - sum_j (v_j . x) / q_j v_j}.
 * Setting up takes {@code m^2 d} operations, a product {@code m d}. In float64.
 *
 * @see <a href="https://arxiv.org/abs/2107.03356">Frantar et al., M-FAC, 2021</a>
 */
final class MatrixFreeInverse {

  private final double lambda;
  private final double[][] v;
  private final double[] q;

  /**
   * @param gradients {@code [m, d]}, replaced by the v; rows of zeros count in m
   */
  MatrixFreeInverse(double[][] gradients, double lambda) {
    this.lambda = lambda;
    this.v = gradients;
    this.q = new double[gradients.length];
    for (int i = 0; i < v.length; i++) {
      var g = v[i];
      var next = product(g, i);
      q[i] = v.length + dot(g, next);
      v[i] = next;
    }
  }

  /** {@code F^-1 x} */
  double[] product(double[] x) {
    return product(x, v.length);
  }

  /** With the first {@code count} gradients alone. */
  private double[] product(double[] x, int count) {
    var y = new double[x.length];
    for (int i = 0; i < y.length; i++) {
      y[i] = x[i] / lambda;
    }
    for (int j = 0; j < count; j++) {
      double factor = dot(v[j], x) / q[j];
      for (int i = 0; i < y.length; i++) {
        y[i] -= factor * v[j][i];
      }
    }
    return y;
  }

  /** {@code (F^-1)_ii}, {@code [d]} */
  double[] diagonal(int d) {
    var diagonal = new double[d];
    java.util.Arrays.fill(diagonal, 1 / lambda);
    for (int j = 0; j < v.length; j++) {
      for (int i = 0; i < d; i++) {
        diagonal[i] -= v[j][i] * v[j][i] / q[j];
      }
    }
    return diagonal;
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }
}

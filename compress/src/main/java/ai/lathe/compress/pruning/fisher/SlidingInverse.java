package ai.lathe.compress.pruning.fisher;

import java.util.Arrays;

/**
 * M-FAC's dynamic form: the matrix of {@link MatrixFreeInverse} over a window of the last m
 * gradients, which an optimizer moves by one each step. A gradient is inserted with {@code m d}
 * operations and a factorisation of {@code m^3}; a product takes {@code m d}.
 *
 * <p>Where the paper keeps the coefficients of its recursion, this keeps the factor of {@code m I +
 * G G^T / lambda}, of which the same product follows: {@code x / lambda - 1 / lambda^2 G^T (m I + G
 * G^T / lambda)^-1 G x}. It divides by m from the first step on, also while the window fills.
 *
 * @see <a href="https://arxiv.org/abs/2107.03356">Frantar et al., M-FAC, 2021</a>
 */
public final class SlidingInverse {

  private final int window;
  private final double lambda;
  private final float[][] gradients;
  private final double[][] gram;
  private final double[][] factor;
  private boolean factored;
  private int oldest;

  /**
   * @param dimensions d
   * @param window m
   */
  public SlidingInverse(int dimensions, int window, double lambda) {
    this.window = window;
    this.lambda = lambda;
    this.gradients = new float[window][dimensions];
    this.gram = new double[window][window];
    this.factor = new double[window][window];
  }

  /** Puts a gradient {@code [d]} in the place of the oldest. */
  public void insert(float[] gradient) {
    System.arraycopy(gradient, 0, gradients[oldest], 0, gradient.length);
    for (int i = 0; i < window; i++) {
      double product = 0;
      for (int j = 0; j < gradient.length; j++) {
        product += (double) gradients[i][j] * gradient[j];
      }
      gram[i][oldest] = product;
      gram[oldest][i] = product;
    }
    oldest = (oldest + 1) % window;
    factored = false;
  }

  /** {@code F^-1 x} of {@code x [d]}. */
  public double[] product(double[] x) {
    factorize();
    var p = new double[window];
    for (int i = 0; i < window; i++) {
      for (int j = 0; j < x.length; j++) {
        p[i] += gradients[i][j] * x[j];
      }
    }
    solve(p);
    var y = new double[x.length];
    for (int j = 0; j < x.length; j++) {
      y[j] = x[j] / lambda;
    }
    for (int i = 0; i < window; i++) {
      double share = p[i] / (lambda * lambda);
      for (int j = 0; j < x.length; j++) {
        y[j] -= share * gradients[i][j];
      }
    }
    return y;
  }

  /** {@code L L^T = m I + G G^T / lambda}, which is positive definite whatever G. */
  private void factorize() {
    if (factored) {
      return;
    }
    for (int i = 0; i < window; i++) {
      Arrays.fill(factor[i], 0);
      for (int j = 0; j <= i; j++) {
        double sum = gram[i][j] / lambda + (i == j ? window : 0);
        for (int k = 0; k < j; k++) {
          sum -= factor[i][k] * factor[j][k];
        }
        factor[i][j] = i == j ? Math.sqrt(sum) : sum / factor[j][j];
      }
    }
    factored = true;
  }

  /** Replaces p by {@code (L L^T)^-1 p}. */
  private void solve(double[] p) {
    for (int i = 0; i < window; i++) {
      for (int k = 0; k < i; k++) {
        p[i] -= factor[i][k] * p[k];
      }
      p[i] /= factor[i][i];
    }
    for (int i = window - 1; i >= 0; i--) {
      for (int k = i + 1; k < window; k++) {
        p[i] -= factor[k][i] * p[k];
      }
      p[i] /= factor[i][i];
    }
  }
}

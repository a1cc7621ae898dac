package ai.lathe.compress.factorization;

import ai.lathe.compress.training.Adam;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.View;

/**
 * Steps of Adam on {@code ||A - C D||^2} over {@code D} and those values of {@code C} that are
 * kept. Which these are does not change.
 *
 * @param coefficients the best there were, the ones of the start included
 * @param before {@code ||A - C D||^2 / ||A||^2} with the best {@code D} at the start
 * @param after likewise at the best step
 */
record Refinement(Coefficients coefficients, double before, double after) {

  /**
   * @param target {@code A [out, p]}
   */
  static Refinement of(Coefficients start, Matrix target, int steps, double rate) {
    var mask = start.mask();
    // Adam's steps have one size for all: both factors are brought to the same.
    double scale = 1 / (Math.sqrt(target.columns()) * rootMeanSquare(start.values(), mask.kept()));
    var a = scaled(target, scale);
    var c = scaled(start.values(), scale);
    var d = Doubles.leastSquares(c, a);
    var ofC = new Adam(c, rate);
    var ofD = new Adam(d, rate);
    double all = energy(a);
    double before = Double.NaN;
    double least = Double.POSITIVE_INFINITY;
    var best = c.copy();
    for (int step = 0; ; step++) {
      var error = a.copy();
      Gemm.subtract(View.of(error), View.of(c), View.of(d));
      double loss = energy(error) / all;
      before = step == 0 ? loss : before;
      if (loss < least) {
        least = loss;
        System.arraycopy(c.values(), 0, best.values(), 0, best.values().length);
      }
      if (step == steps) {
        break;
      }
      against(ofC.gradient(), View.of(error), View.of(d).transposed(), all);
      drop(ofC.gradient(), mask);
      against(ofD.gradient(), View.of(c).transposed(), View.of(error), all);
      ofC.step();
      ofD.step();
    }
    return new Refinement(new Coefficients(scaled(best, 1 / scale), mask), before, least);
  }

  /** {@code -2 E F / all}. */
  private static void against(Matrix gradient, View e, View f, double all) {
    java.util.Arrays.fill(gradient.values(), 0);
    Gemm.subtract(View.of(gradient), e, f);
    for (int i = 0; i < gradient.values().length; i++) {
      gradient.values()[i] *= (float) (2 / all);
    }
  }

  private static void drop(Matrix matrix, Mask mask) {
    for (int i = 0; i < matrix.rows(); i++) {
      for (int j = 0; j < matrix.columns(); j++) {
        if (!mask.keeps(i, j)) {
          matrix.set(i, j, 0);
        }
      }
    }
  }

  private static Matrix scaled(Matrix matrix, double factor) {
    var scaled = matrix.copy();
    for (int i = 0; i < scaled.values().length; i++) {
      scaled.values()[i] *= (float) factor;
    }
    return scaled;
  }

  private static double rootMeanSquare(Matrix matrix, long count) {
    double energy = energy(matrix);
    return energy == 0 ? 1 : Math.sqrt(energy / count);
  }

  private static double energy(Matrix matrix) {
    double sum = 0;
    for (float value : matrix.values()) {
      sum += (double) value * value;
    }
    return sum;
  }
}

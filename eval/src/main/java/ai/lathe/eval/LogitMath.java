package ai.lathe.eval;

/**
 * The arithmetic over a row of logits. Sums and exponentials are in float64. Two implementations,
 * equal but for the order of summation.
 */
interface LogitMath {

  /** The fastest that runs here. */
  LogitMath BEST = choose();

  /** The largest of {@code x[at .. at + n)}; NaN if any of them is not finite. */
  float max(float[] x, int at, int n);

  /** {@code log(sum(exp(x[at .. at + n))))}, where {@code max} is the largest of them. */
  double logSumExp(float[] x, int at, int n, float max);

  /**
   * Compares the distributions {@code p = exp(x[xAt ..] - logX)} and {@code q = exp(y[yAt ..] -
   * logY)}: stores {@code sum(p * log(p / q))} and {@code sum(min(p, q))} in {@code target[0 ..
   * 2)}.
   */
  void compare(
      float[] x, int xAt, double logX, float[] y, int yAt, double logY, int n, double[] target);

  private static LogitMath choose() {
    if (ModuleLayer.boot().findModule("jdk.incubator.vector").isEmpty()) {
      System.getLogger(LogitMath.class.getName())
          .log(
              System.Logger.Level.WARNING,
              "the JVM runs without --add-modules jdk.incubator.vector; evaluation is slower");
      return new ScalarLogitMath();
    }
    return VectorLogitMath.fits() ? new VectorLogitMath() : new ScalarLogitMath();
  }
}

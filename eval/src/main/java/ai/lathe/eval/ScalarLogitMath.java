package ai.lathe.eval;

/** One element at a time. */
final class ScalarLogitMath implements LogitMath {

  @Override
  public float max(float[] x, int at, int n) {
    float max = Float.NEGATIVE_INFINITY;
    float spoiled = 0;
    for (int i = at; i < at + n; i++) {
      max = Math.max(max, x[i]);
      spoiled += x[i] * 0f;
    }
    return max + spoiled;
  }

  @Override
  public double logSumExp(float[] x, int at, int n, float max) {
    double sum = 0;
    for (int i = at; i < at + n; i++) {
      sum += Exp.exp((double) x[i] - max);
    }
    return max + Math.log(sum);
  }

  @Override
  public void compare(
      float[] x, int xAt, double logX, float[] y, int yAt, double logY, int n, double[] target) {
    double divergence = 0;
    double overlap = 0;
    for (int i = 0; i < n; i++) {
      double logP = x[xAt + i] - logX;
      double logQ = y[yAt + i] - logY;
      double p = Exp.exp(logP);
      divergence += p * (logP - logQ);
      overlap += Math.min(p, Exp.exp(logQ));
    }
    target[0] = divergence;
    target[1] = overlap;
  }
}

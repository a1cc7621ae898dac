package ai.lathe.compress.quantization;

/** Plain Java: the fallback, and the oracle that the vector kernel is tested against. */
final class ScalarGumbelKernel implements GumbelKernel {

  @Override
  public void soften(
      float[][] logits,
      int at,
      int count,
      int key,
      float slope,
      float noise,
      float[][] p,
      float[] mean) {
    soften(logits, at, 0, count, key, slope, noise, p, mean);
  }

  /** For the weights {@code [from, to)} of a row that begins at {@code at}. */
  static void soften(
      float[][] logits,
      int at,
      int from,
      int to,
      int key,
      float slope,
      float noise,
      float[][] p,
      float[] mean) {
    for (int j = from; j < to; j++) {
      float most = Float.NEGATIVE_INFINITY;
      for (int c = 0; c < p.length; c++) {
        int hash = GumbelKernel.mix(key ^ (at + j) * 8 + c);
        p[c][j] = slope * logits[c][at + j] + noise * GumbelKernel.gumbel(hash);
        most = Math.max(most, p[c][j]);
      }
      float sum = 0;
      for (var x : p) {
        x[j] = GumbelKernel.exp(x[j] - most);
        sum += x[j];
      }
      float share = 1 / sum;
      mean[j] = 0;
      for (int c = 0; c < p.length; c++) {
        p[c][j] *= share;
        mean[j] += c * p[c][j];
      }
    }
  }

  @Override
  public void step(
      float[][] logits,
      float[][] momentum,
      int at,
      int count,
      float[][] p,
      float[] mean,
      float[] slopes,
      float rate,
      float decay) {
    step(logits, momentum, at, 0, count, p, mean, slopes, rate, decay);
  }

  /** For the weights {@code [from, to)} of a row that begins at {@code at}. */
  static void step(
      float[][] logits,
      float[][] momentum,
      int at,
      int from,
      int to,
      float[][] p,
      float[] mean,
      float[] slopes,
      float rate,
      float decay) {
    for (int c = 0; c < p.length; c++) {
      var l = logits[c];
      var m = momentum[c];
      for (int j = from; j < to; j++) {
        int i = at + j;
        float g = slopes[j] * p[c][j] * (c - mean[j]);
        float way = BETA1 * m[i] + (1 - BETA1) * g;
        m[i] = BETA2 * m[i] + (1 - BETA2) * g;
        if (l[i] > NEVER) {
          l[i] -= rate * (Math.signum(way) + decay * l[i]);
        }
      }
    }
  }
}

package ai.lathe.compress.quantization;

/**
 * The loops of {@link GumbelCodes} over the weights of a row, for all candidates. Both
 * implementations do the same operations in the same order, so that they give the same bits.
 */
interface GumbelKernel {

  float BETA1 = 0.9f;
  float BETA2 = 0.95f;

  /** The logit of a candidate that is not on the grid; at or below it logits stay as they are. */
  float NEVER = -1e30f;

  /** Hashes keep this many bits, so that adding a half is exact. */
  int BITS = 23;

  float LN2 = 0.693147181f;
  float LOG2_E = 1.44269504f;

  /** The bits of the least mantissa of {@link #log}, the root of a half. */
  int ROOT_HALF = 0x3f3504f3;

  /** {@code log(1 + f) / f} by powers of f, within 1.7e-7 of itself from root 1/2 to root 2. */
  float L0 = 0.99999995f;

  float L1 = -0.50000365f;
  float L2 = 0.33335058f;
  float L3 = -0.24969907f;
  float L4 = 0.19900184f;
  float L5 = -0.17250873f;
  float L6 = 0.16222448f;
  float L7 = -0.10106586f;

  /**
   * {@code p_c = softmax_c(slope l_c + noise g)} and the mean of {@code c} under it, with {@code g}
   * Gumbel noise that is a function of the key and of the place.
   *
   * @param logits of each candidate, {@code [candidates][weights]}
   * @param at the first weight
   * @param p {@code [candidates][count]}
   * @param mean {@code [count]}
   */
  void soften(
      float[][] logits,
      int at,
      int count,
      int key,
      float slope,
      float noise,
      float[][] p,
      float[] mean);

  /**
   * A step of Lion.
   *
   * @param slopes of the loss by the mean, times the sharpness of the softmax, {@code [count]}
   * @param p of {@link #soften}
   * @param rate learning rate
   * @param decay in units of it
   */
  void step(
      float[][] logits,
      float[][] momentum,
      int at,
      int count,
      float[][] p,
      float[] mean,
      float[] slopes,
      float rate,
      float decay);

  /** {@code e^x} of what is not positive, within 2e-6 of itself above -20; 0 in the end. */
  static float exp(float x) {
    float y = Math.max(x * LOG2_E, -127f);
    int n = (int) (y - 0.5f);
    float f = (y - n) * LN2;
    float series =
        1 + f * (1 + f * (0.5f + f * (1 / 6f + f * (1 / 24f + f * (1 / 120f + f * (1 / 720f))))));
    return series * Float.intBitsToFloat(n + 127 << 23);
  }

  /** The natural logarithm of a normal positive number. */
  static float log(float x) {
    int bits = Float.floatToRawIntBits(x);
    int n = bits - ROOT_HALF >> 23;
    float f = Float.intBitsToFloat(bits - (n << 23)) - 1;
    float series = L0 + f * (L1 + f * (L2 + f * (L3 + f * (L4 + f * (L5 + f * (L6 + f * L7))))));
    return n * LN2 + f * series;
  }

  /** Gumbel noise, {@code -log(-log u)}, of 32 random bits. */
  static float gumbel(int hash) {
    float u = ((hash >>> 32 - BITS) + 0.5f) * (1f / (1 << BITS));
    return -log(-log(u));
  }

  /** Spreads 32 bits so that neighbours have nothing in common (Wellons, "lowbias32"). */
  static int mix(int h) {
    h = (h ^ h >>> 16) * 0x7feb352d;
    h = (h ^ h >>> 15) * 0x846ca68b;
    return h ^ h >>> 16;
  }
}

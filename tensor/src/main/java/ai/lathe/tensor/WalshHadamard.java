package ai.lathe.tensor;

/** Sylvester's Hadamard matrices of powers of two, scaled to be orthogonal, applied in place. */
public final class WalshHadamard {

  private WalshHadamard() {}

  /**
   * {@code x := x H} for every run of {@code size} values, in {@code n log n} operations. H is
   * symmetric and its own inverse: a second call undoes the first.
   *
   * @param at where the first run begins
   * @param length of all runs together, a multiple of {@code size}
   * @param size a power of two
   */
  public static void rotate(float[] values, int at, int length, int size) {
    if (size < 1 || Integer.bitCount(size) != 1) {
      throw new LatheException("a Hadamard block has a power of two of features, not " + size);
    }
    if (length % size != 0) {
      throw new LatheException(
          "Hadamard blocks of " + size + " do not divide " + length + " features");
    }
    float factor = (float) (1 / Math.sqrt(size));
    for (int run = at; run < at + length; run += size) {
      butterflies(values, run, size);
      for (int i = run; i < run + size; i++) {
        values[i] *= factor;
      }
    }
  }

  private static void butterflies(float[] values, int at, int size) {
    for (int half = 1; half < size; half *= 2) {
      for (int pair = at; pair < at + size; pair += 2 * half) {
        for (int i = pair; i < pair + half; i++) {
          float a = values[i];
          float b = values[i + half];
          values[i] = a + b;
          values[i + half] = a - b;
        }
      }
    }
  }
}

package ai.lathe.tensor.block;

import ai.lathe.tensor.LatheException;

/** How much each squared rounding error of a block counts. */
final class ErrorWeights {

  /** What a type minimises where the caller gives no importance. */
  enum Default {
    /** All alike: the plain mean squared error. */
    UNIFORM,
    /**
     * Root mean square of the group, plus the magnitude: larger weights count more, up to some four
     * times. What llama.cpp uses for its asymmetric K types.
     */
    MAGNITUDE
  }

  private ErrorWeights() {}

  /**
   * Weights for {@code x[at .. at + size)}, from index 0.
   *
   * @param importance null, or as {@link ai.lathe.tensor.BlockType#fit} takes it. A group without
   *     any importance counts as one with the default, so that it too is stored sensibly
   * @throws LatheException where a weight is not finite, or an importance is not finite or negative
   */
  static float[] of(
      String type,
      float[] x,
      int at,
      int size,
      int groupSize,
      float[] importance,
      Default fallback) {
    var weights = new float[size];
    float unit = importance == null ? 1 : largest(importance, at, size);
    for (int start = 0; start < size; start += groupSize) {
      if (importance == null || !copy(importance, at + start, unit, weights, start, groupSize)) {
        fill(x, at + start, weights, start, groupSize, fallback);
      }
    }
    checkFinite(type, x, at, size);
    return weights;
  }

  private static float largest(float[] importance, int at, int size) {
    float largest = 0;
    for (int i = 0; i < size; i++) {
      float value = importance[at + i];
      if (!(value >= 0 && value < Float.POSITIVE_INFINITY)) {
        throw new LatheException(
            "the importance of a weight is a finite number from 0 up, not " + value);
      }
      largest = Math.max(largest, value);
    }
    return largest;
  }

  /** In units of the block's largest, so that no sum overflows. */
  private static boolean copy(
      float[] importance, int from, float unit, float[] weights, int to, int n) {
    float sum = 0;
    for (int i = 0; i < n; i++) {
      weights[to + i] = unit == 0 ? 0 : importance[from + i] / unit;
      sum += weights[to + i];
    }
    return sum > 0;
  }

  private static void fill(float[] x, int from, float[] weights, int to, int n, Default fallback) {
    double squares = 0;
    for (int i = 0; i < n; i++) {
      squares += (double) x[from + i] * x[from + i];
    }
    float rms = (float) Math.sqrt(squares / n);
    for (int i = 0; i < n; i++) {
      weights[to + i] =
          fallback == Default.UNIFORM || rms == 0 ? 1 : 1 + Math.abs(x[from + i]) / rms;
    }
  }

  private static void checkFinite(String type, float[] x, int at, int size) {
    float sum = 0;
    for (int i = 0; i < size; i++) {
      sum += x[at + i] * 0f;
    }
    if (sum != 0) { // NaN: an infinity times zero is one too
      throw new LatheException(
          "weights hold a NaN or an infinity, which cannot be stored as " + type);
    }
  }
}

package ai.lathe.runtime.kernel.layout;

import java.util.Arrays;

/**
 * A row on its way into a stripe: whole codes, and the scales of the {@link Layout}'s groups before
 * they are brought into float16's range.
 */
final class PackedRow {

  /** Keeps the factor above subnormal numbers. */
  private static final int MOST_SHIFT = 126;

  /** Highest binade of float16 numbers. */
  private static final int HIGHEST = 15;

  /** Codes before {@link Layout#offset}, whole units. */
  final byte[] codes;

  /** Of each group, or with two levels of each unit. */
  final float[] scales;

  /** What is subtracted from each group's values, or with two levels what is times a byte. */
  final float[] minima;

  /** With two levels, the bytes of each group. */
  final byte[] scaleBytes;

  final byte[] minimumBytes;

  /** Whether minima are still multiples of their group's scale, as it will be kept. */
  boolean minimaInScales;

  /** What the row's values are to be multiplied with. */
  float factor;

  PackedRow(Layout layout, int columns) {
    int units = layout.units(columns);
    int groups = units * layout.groups();
    codes = new byte[units * layout.unit()];
    scales = new float[layout.sides().twoLevels() ? units : groups];
    minima = new float[scales.length];
    scaleBytes = new byte[layout.sides().twoLevels() ? groups : 0];
    minimumBytes = new byte[scaleBytes.length];
  }

  void clear() {
    Arrays.fill(codes, (byte) 0);
    Arrays.fill(scales, 0);
    Arrays.fill(minima, 0);
    Arrays.fill(scaleBytes, (byte) 0);
    Arrays.fill(minimumBytes, (byte) 0);
    minimaInScales = false;
    factor = 0;
  }

  /**
   * Multiplies scales and minima with the power of two that brings the largest into float16's
   * highest binade, and the factor with its inverse. What was float16 before so stays exact, and
   * keeps away from subnormal numbers, which are slow.
   *
   * @param halves whether minima are float16 too
   */
  void normalize(boolean halves) {
    float largest = largest(scales);
    float deepest = largest(minima);
    if (!(Float.isFinite(largest) && Float.isFinite(deepest) && Float.isFinite(factor))) {
      clear();
      factor = Float.NaN;
      return;
    }
    if (halves) {
      largest = Math.max(largest, deepest);
    }
    if (largest == 0) {
      return;
    }
    int shift = Math.min(HIGHEST - Math.getExponent(largest), MOST_SHIFT);
    if (Float.isInfinite(Float.float16ToFloat(Float.floatToFloat16(Math.scalb(largest, shift))))) {
      shift--;
    }
    for (int g = 0; g < scales.length; g++) {
      scales[g] = Math.scalb(scales[g], shift);
      minima[g] =
          minimaInScales
              ? minima[g] * Float.float16ToFloat(Float.floatToFloat16(scales[g]))
              : Math.scalb(minima[g], shift);
    }
    factor = Math.scalb(factor, -shift);
  }

  /** NaN where one is. */
  private static float largest(float[] values) {
    float largest = 0;
    for (float value : values) {
      largest = Math.max(largest, Math.abs(value));
    }
    return largest;
  }
}

package ai.lathe.tensor.block;

/**
 * The values that codes stand for before scale and offset: increasing whole numbers, consecutive or
 * from a table.
 */
final class Levels {

  private final float[] values;
  private final int low;
  private final int high;

  /** The code for each half unit from {@link #low}; null where levels are consecutive. */
  private final byte[] halves;

  private Levels(float[] values, byte[] halves) {
    this.values = values;
    this.halves = halves;
    this.low = (int) values[0];
    this.high = (int) values[values.length - 1];
  }

  /** All whole numbers from {@code low} to {@code high}. */
  static Levels consecutive(int low, int high) {
    var values = new float[high - low + 1];
    for (int code = 0; code < values.length; code++) {
      values[code] = low + code;
    }
    return new Levels(values, null);
  }

  /**
   * @param table increasing whole numbers: what lies between two of them changes at a multiple of a
   *     half, so that one look at the half unit that holds a position gives its code
   */
  static Levels of(int... table) {
    var values = new float[table.length];
    var halves = new byte[2 * (table[table.length - 1] - table[0]) + 1];
    int code = 0;
    for (int i = 0; i < halves.length; i++) {
      float start = table[0] + i / 2f;
      while (code + 1 < table.length && start >= (table[code] + table[code + 1]) / 2f) {
        code++;
      }
      halves[i] = (byte) code;
    }
    for (int c = 0; c < table.length; c++) {
      values[c] = table[c];
    }
    return new Levels(values, halves);
  }

  /** Whether there is every whole number from {@link #low} to {@link #high}. */
  boolean consecutive() {
    return halves == null;
  }

  int count() {
    return values.length;
  }

  float value(int code) {
    return values[code];
  }

  int low() {
    return low;
  }

  int high() {
    return high;
  }

  /** Distance of the two lowest. */
  float spacing() {
    return values[1] - values[0];
  }

  /** The code whose level is nearest; beyond the ends, that of the end. */
  int nearest(float position) {
    // Truncation rounds down what is positive, and the rest is clamped away.
    return halves == null
        ? Math.clamp((int) (position - low + 0.5f), 0, high - low)
        : halves[Math.clamp((int) (2 * (position - low)), 0, halves.length - 1)];
  }

  /** The nearest level itself. */
  float round(float position) {
    return halves == null ? nearest(position) + low : values[nearest(position)];
  }
}

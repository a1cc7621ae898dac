package ai.lathe.runtime.kernel.layout;

/** What a {@link Layout} keeps beside its codes. */
public enum Sides {
  /** A float16 scale for each group: {@code value = s * c}. */
  F16(false, false),
  /** And a float32 minimum: {@code value = s * u - m}. */
  F16_MIN(true, false),
  /** A signed byte for each group, a float16 for 256 columns: {@code value = d * sc * c}. */
  SUPER(false, true),
  /** And another pair for minima: {@code value = d * sc * u - dmin * mn}. */
  SUPER_MIN(true, true),
  /** Nothing: {@code value = c}. */
  ROW(false, false);

  private final boolean minima;
  private final boolean twoLevels;

  Sides(boolean minima, boolean twoLevels) {
    this.minima = minima;
    this.twoLevels = twoLevels;
  }

  /** Whether groups have a minimum; codes of 4 bits are then unsigned. */
  public boolean minima() {
    return minima;
  }

  /** Whether scales are products of a byte and a float16 of 256 columns. */
  public boolean twoLevels() {
    return twoLevels;
  }
}

package ai.lathe.tensor;

/**
 * An integer grid: {@code value = scale * (code - zero)} with {@code code} and {@code zero} in
 * {@code [-2^(bits-1), 2^(bits-1) - 1]}.
 *
 * @param bits 2 to 8
 * @param groupSize consecutive inputs of a row that share a scale; {@link #CHANNEL} for the whole
 *     row
 * @param symmetric zero is 0 throughout and not stored
 * @param activations how the layer's input is quantized where it is executed
 */
public record IntegerScheme(int bits, int groupSize, boolean symmetric, Activations activations) {

  /** Group size of per-channel scales. */
  public static final int CHANNEL = 0;

  public IntegerScheme {
    if (bits < 2 || bits > 8) {
      throw new LatheException("integer schemes have 2 to 8 bits, not " + bits);
    }
    if (groupSize < 0) {
      throw new LatheException(
          "a group size is positive, or 0 for the whole row, not " + groupSize);
    }
  }

  public int min() {
    return -(1 << bits - 1);
  }

  public int max() {
    return (1 << bits - 1) - 1;
  }

  /** Groups of a row. */
  public int groups(int columns) {
    return groupSize == CHANNEL ? 1 : Math.ceilDiv(columns, groupSize);
  }

  /** For tables: {@code int4 g128}, {@code int8 channel}, {@code int4 g32 asym}. */
  public String label() {
    return "int"
        + bits
        + (groupSize == CHANNEL ? " channel" : " g" + groupSize)
        + (symmetric ? "" : " asym");
  }
}

package ai.lathe.tensor;

/**
 * The small floating types of the OCP standards. A value is {@code steps * 2^(exponent - mantissa)}
 * with at most {@code 2^(mantissa + 1)} steps a binade; rounding is to the nearest, ties to the
 * even code, and saturates at {@link #reach}.
 *
 * @see <a href="https://arxiv.org/abs/2209.05433">Micikevicius et al., FP8 Formats for Deep
 *     Learning, 2022</a>
 * @see <a href="https://arxiv.org/abs/2310.10537">Rouhani et al., Microscaling Data Formats for
 *     Deep Learning, 2023</a>
 */
public enum FloatType implements ElementType {
  /** Four exponent bits, three of mantissa, up to 448; neither infinity nor more than one NaN. */
  E4M3(8, 3, -6, 448f, "FP8"),
  /** Five exponent bits, two of mantissa, up to 57,344. */
  E5M2(8, 2, -14, 57344f, "FP8 E5M2"),
  /** {@code 0, 0.5, 1, 1.5, 2, 3, 4, 6} and their negatives. */
  E2M1(4, 1, 0, 6f, "FP4");

  private final int bits;
  private final int mantissa;
  private final int smallestExponent;
  private final float reach;
  private final String label;

  FloatType(int bits, int mantissa, int smallestExponent, float reach, String label) {
    this.bits = bits;
    this.mantissa = mantissa;
    this.smallestExponent = smallestExponent;
    this.reach = reach;
    this.label = label;
  }

  /** What every code stands for; not to be changed. */
  float[] decoded() {
    return Decoded.OF[ordinal()];
  }

  @Override
  public int bits() {
    return bits;
  }

  @Override
  public float reach() {
    return reach;
  }

  @Override
  public String label() {
    return label;
  }

  /** The nearest value of the type; NaN stays NaN. */
  public float round(float value) {
    float magnitude = Math.min(Math.abs(value), reach);
    // Below the smallest normal number the step stays what it is there.
    int exponent = Math.max(Math.getExponent(magnitude), smallestExponent) - mantissa;
    float step = Float.intBitsToFloat(exponent + 127 << 23);
    // Adding 1.5 * 2^23 leaves no bits for a fraction; ties go to the even step, which is the even
    // code.
    float magic = 0x1.8p23f;
    return Math.copySign((magnitude / step + magic - magic) * step, value);
  }

  /** The code of the nearest value, in the low {@link #bits}; the sign is the highest of them. */
  public byte encode(float value) {
    return switch (this) {
      case E4M3 -> Float8.floatToE4m3(value);
      case E5M2 -> Float8.floatToE5m2(Math.clamp(value, -reach, reach));
      case E2M1 -> {
        float magnitude = Math.abs(round(value));
        int code =
            magnitude < 2
                ? (int) (magnitude * 2)
                : magnitude < 4 ? (int) magnitude + 2 : (int) magnitude / 2 + 4;
        yield (byte) (Float.floatToRawIntBits(value) >>> 28 & 8 | code);
      }
    };
  }

  /** What a code stands for. */
  public float decode(byte code) {
    return switch (this) {
      case E4M3 -> Float8.e4m3ToFloat(code);
      case E5M2 -> Float8.e5m2ToFloat(code);
      case E2M1 -> {
        int steps = code & 7;
        float magnitude = steps < 4 ? steps * 0.5f : steps < 6 ? steps - 2 : (steps - 4) * 2;
        yield (code & 8) == 0 ? magnitude : -magnitude;
      }
    };
  }

  /** Made when first asked for: an enum's constructor cannot yet switch over it. */
  private static final class Decoded {
    static final float[][] OF = new float[values().length][];

    static {
      for (var type : values()) {
        var values = new float[1 << type.bits];
        for (int code = 0; code < values.length; code++) {
          values[code] = type.decode((byte) code);
        }
        OF[type.ordinal()] = values;
      }
    }
  }
}

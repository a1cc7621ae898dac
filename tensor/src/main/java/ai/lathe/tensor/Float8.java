package ai.lathe.tensor;

/**
 * The eight-bit floating types of the OCP standard. E4M3 (bias 7) has no infinity and saturates at
 * 448; E5M2 (bias 15) is a truncated float16; E8M0 is a power of two, 2^(b - 127).
 */
public final class Float8 {

  private static final float[] E4M3 = new float[256];

  static {
    for (int b = 0; b < 256; b++) {
      int exponent = b >> 3 & 15;
      int mantissa = b & 7;
      float magnitude =
          exponent == 0
              ? mantissa * 0x1p-9f
              : (8 + mantissa) * (float) Math.scalb(1.0, exponent - 10);
      E4M3[b] = (b & 127) == 127 ? Float.NaN : (b < 128 ? magnitude : -magnitude);
    }
  }

  private Float8() {}

  public static float e4m3ToFloat(byte b) {
    return E4M3[b & 255];
  }

  public static float e5m2ToFloat(byte b) {
    return Float.float16ToFloat((short) (b << 8));
  }

  public static float e8m0ToFloat(byte b) {
    return (b & 255) == 255 ? Float.NaN : (float) Math.scalb(1.0, (b & 255) - 127);
  }

  /** Nearest E4M3, ties to even, saturating at 448; NaN stays NaN. */
  public static byte floatToE4m3(float value) {
    int sign = Float.floatToRawIntBits(value) >>> 24 & 128;
    if (Float.isNaN(value)) {
      return (byte) (sign | 127);
    }
    float magnitude = Math.min(Math.abs(value), 448f);
    // The step is 2^-9 for subnormals and 2^(exponent - 3) above; the sum of step counts is the
    // code itself.
    int exponent = Math.max(Math.getExponent(magnitude), -6);
    int steps = (int) Math.rint(magnitude * Math.scalb(1.0, 3 - exponent));
    return (byte) (sign | (exponent + 6 << 3) + steps);
  }

  /** Nearest E5M2, ties to even, saturating at 57,344; infinities and NaN stay what they are. */
  public static byte floatToE5m2(float value) {
    int sign = Float.floatToRawIntBits(value) >>> 24 & 128;
    if (Float.isNaN(value)) {
      return (byte) (sign | 0x7E);
    }
    if (Float.isInfinite(value)) {
      return (byte) (sign | 0x7C);
    }
    float magnitude = Math.min(Math.abs(value), 57344f);
    int exponent = Math.max(Math.getExponent(magnitude), -14);
    int steps = (int) Math.rint(magnitude * Math.scalb(1.0, 2 - exponent));
    return (byte) (sign | (exponent + 14 << 2) + steps);
  }
}

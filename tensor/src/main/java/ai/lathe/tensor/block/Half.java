package ai.lathe.tensor.block;

import ai.lathe.tensor.LatheException;

/** float16 numbers in blocks: what every scale is stored as. */
final class Half {

  /** The smallest positive float16, 2^-24. */
  private static final float SMALLEST = 0x1p-24f;

  private Half() {}

  /** The bits at {@code at}, from 0 to 65535. */
  static int read(byte[] block, int at) {
    return block[at] & 0xFF | (block[at + 1] & 0xFF) << 8;
  }

  static void write(byte[] block, int at, int bits) {
    block[at] = (byte) bits;
    block[at + 1] = (byte) (bits >>> 8);
  }

  /** Bits of the nearest float16; refuses what would become an infinity. */
  static int bits(double value, String type) {
    short bits = Float.floatToFloat16((float) value);
    if ((bits & 0x7C00) == 0x7C00) {
      throw new LatheException(
          "weights are too large for "
              + type
              + ": a block needs the scale "
              + (float) value
              + ", and the largest that it can store is 65504");
    }
    return bits & 0xFFFF;
  }

  /**
   * As {@link #bits}, for a factor of codes: one that is not zero does not become zero, since the
   * smallest factor still holds the larger weights of its group.
   */
  static int factorBits(double value, String type) {
    int bits = bits(value, type);
    return (bits & 0x7FFF) == 0 && value != 0 ? bits(Math.copySign(SMALLEST, value), type) : bits;
  }

  static float value(int bits) {
    return Float.float16ToFloat((short) bits);
  }
}

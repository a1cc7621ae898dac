package ai.lathe.tensor.block;

import ai.lathe.tensor.LatheException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** float16 numbers in blocks: what every scale is stored as. */
final class Half {

  private static final ValueLayout.OfShort LAYOUT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** The smallest positive float16, 2^-24. */
  private static final float SMALLEST = 0x1p-24f;

  private Half() {}

  static float read(MemorySegment source, long offset) {
    return Float.float16ToFloat(source.get(LAYOUT, offset));
  }

  static void write(MemorySegment target, long offset, int bits) {
    target.set(LAYOUT, offset, (short) bits);
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

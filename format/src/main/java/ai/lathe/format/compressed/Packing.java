package ai.lathe.format.compressed;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Signed integers of 2 to 8 bits in 32-bit words, least significant bits first; {@code 2^(bits-1)}
 * is added so that what is stored is unsigned. The two ways differ for 3, 5, 6 and 7 bits only.
 */
public enum Packing {
  /** No bit unused but at the end of a row: a value may lie across two words. */
  DENSE,
  /** {@code 32 / bits} values a word, the rest of the word zero. */
  PADDED;

  private static final ValueLayout.OfInt WORD =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** Words for {@code count} values. */
  public long words(long count, int bits) {
    return this == DENSE
        ? Math.ceilDiv(count * bits, 32L)
        : Math.ceilDiv(count, (long) (32 / bits));
  }

  /**
   * Packs {@code count} values densely: from {@code codes[from]} on, {@code stride} apart, into
   * words that are {@code stride} words apart from word {@code at} on. The stride is 1 along the
   * last dimension of a matrix, and its number of columns along the first.
   */
  public static void packDense(
      byte[] codes, int from, int count, int bits, int stride, MemorySegment words, long at) {
    int lift = 1 << bits - 1;
    long pending = 0;
    int filled = 0;
    for (int i = 0; i < count; i++) {
      pending |= (long) (codes[from + i * stride] + lift) << filled;
      filled += bits;
      if (filled >= 32) {
        words.set(WORD, at * 4, (int) pending);
        at += stride;
        // What did not fit continues in the next word.
        pending >>>= 32;
        filled -= 32;
      }
    }
    if (filled > 0) {
      words.set(WORD, at * 4, (int) pending);
    }
  }

  /** Unpacks {@code count} values; places are as in {@link #packDense}. */
  public void unpack(
      MemorySegment words, long at, byte[] codes, int from, int count, int bits, int stride) {
    int lift = 1 << bits - 1;
    long mask = (1L << bits) - 1;
    long pending = 0;
    int held = 0;
    for (int i = 0; i < count; i++) {
      if (held < bits) {
        if (this == PADDED) {
          pending = 0;
          held = 0;
        }
        pending |= Integer.toUnsignedLong(words.get(WORD, at * 4)) << held;
        at += stride;
        held += 32;
      }
      codes[from + i * stride] = (byte) ((pending & mask) - lift);
      pending >>>= bits;
      held -= bits;
    }
  }

  /**
   * Packs values densely into bytes, least significant bits first.
   *
   * @param bytes {@code [ceil(codes * bits / 8)]}
   */
  static void packBytes(byte[] codes, int bits, byte[] bytes) {
    int lift = 1 << bits - 1;
    int pending = 0;
    int filled = 0;
    int at = 0;
    for (byte code : codes) {
      pending |= code + lift << filled;
      for (filled += bits; filled >= 8; filled -= 8) {
        bytes[at++] = (byte) pending;
        pending >>>= 8;
      }
    }
    if (filled > 0) {
      bytes[at] = (byte) pending;
    }
  }

  /** The inverse of {@link #packBytes}. */
  static void unpackBytes(MemorySegment bytes, int bits, byte[] codes) {
    int lift = 1 << bits - 1;
    int mask = (1 << bits) - 1;
    int pending = 0;
    int held = 0;
    long at = 0;
    for (int i = 0; i < codes.length; i++) {
      if (held < bits) {
        pending |= (bytes.get(ValueLayout.JAVA_BYTE, at++) & 0xFF) << held;
        held += 8;
      }
      codes[i] = (byte) ((pending & mask) - lift);
      pending >>>= bits;
      held -= bits;
    }
  }
}

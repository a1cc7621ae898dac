package ai.lathe.tensor.block;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * 4-bit codes of two neighbouring groups in one run of bytes: byte {@code j} holds code {@code j}
 * of the first group in its low half and code {@code j} of the second in its high half.
 */
final class Nibbles {

  private static final ValueLayout.OfLong EIGHT =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private Nibbles() {}

  /** Packs {@code codes[at .. at + 2n)} into {@code n} bytes. */
  static void pack(byte[] codes, int at, int n, MemorySegment target, long offset) {
    for (int j = 0; j < n; j++) {
      target.set(
          ValueLayout.JAVA_BYTE, offset + j, (byte) (codes[at + j] & 15 | codes[at + n + j] << 4));
    }
  }

  /** Decodes {@code n} bytes, a multiple of 8, to {@code target[at .. at + 2n)}. */
  static void decode(
      MemorySegment source,
      long offset,
      int n,
      float firstScale,
      float firstOffset,
      float secondScale,
      float secondOffset,
      float[] target,
      int at) {
    for (int j = 0; j < n; j += 8) {
      long bytes = source.get(EIGHT, offset + j);
      for (int k = 0; k < 8; k++) {
        int pair = (int) (bytes >>> 8 * k);
        target[at + j + k] = firstScale * (pair & 15) + firstOffset;
        target[at + n + j + k] = secondScale * (pair >>> 4 & 15) + secondOffset;
      }
    }
  }
}

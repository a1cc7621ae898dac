package ai.lathe.tensor.block;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * Where a block keeps some bits of its codes. Each run of {@code width} bytes holds {@code width}
 * weights in its lowest bits, the next {@code width} weights in the bits above, until the bytes are
 * full; the next run of bytes goes on with the weights that follow.
 *
 * @param at first byte in the block
 * @param bits of each code, a divisor of 8
 * @param width bytes of a run: 1, or a multiple of 8, which are then moved eight at a time
 * @param shift of the lowest of these bits in the code
 */
record Plane(int at, int bits, int width, int shift) {

  private static final VarHandle EIGHT =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  /** A one in each byte of a long. */
  private static final long ONES = 0x0101010101010101L;

  /** The codes' lowest bits. */
  Plane(int at, int bits, int width) {
    this(at, bits, width, 0);
  }

  /** Puts the bits of all codes into a block whose bytes are still 0. */
  void pack(byte[] codes, byte[] block) {
    int mask = (1 << bits) - 1;
    int to = at;
    for (int run = 0; run < codes.length; run += width * 8 / bits, to += width) {
      for (int place = 0, from = run; place < 8; place += bits, from += width) {
        if (width == 1) {
          block[to] |= (byte) ((codes[from] >>> shift & mask) << place);
        }
        for (int i = 0; i + 8 <= width; i += 8) {
          long eight = (long) EIGHT.get(codes, from + i) >>> shift & mask * ONES;
          EIGHT.set(block, to + i, (long) EIGHT.get(block, to + i) | eight << place);
        }
      }
    }
  }

  /** Adds the bits to codes in which they are still 0. */
  void unpack(byte[] block, byte[] codes) {
    int mask = (1 << bits) - 1;
    int from = at;
    for (int run = 0; run < codes.length; run += width * 8 / bits, from += width) {
      for (int place = 0, to = run; place < 8; place += bits, to += width) {
        if (width == 1) {
          codes[to] |= (byte) ((block[from] >>> place & mask) << shift);
        }
        for (int i = 0; i + 8 <= width; i += 8) {
          long eight = (long) EIGHT.get(block, from + i) >>> place & mask * ONES;
          EIGHT.set(codes, to + i, (long) EIGHT.get(codes, to + i) | eight << shift);
        }
      }
    }
  }
}

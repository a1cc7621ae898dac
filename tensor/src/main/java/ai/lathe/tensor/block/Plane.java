package ai.lathe.tensor.block;

/**
 * Where a block keeps some bits of its codes. Each run of {@code width} bytes holds {@code width}
 * weights in its lowest bits, the next {@code width} weights in the bits above, until the bytes are
 * full; the next run of bytes goes on with the weights that follow.
 *
 * @param at first byte in the block
 * @param bits of each code, a divisor of 8
 * @param width bytes of a run
 * @param shift of the lowest of these bits in the code
 */
record Plane(int at, int bits, int width, int shift) {

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
        for (int i = 0; i < width; i++) {
          block[to + i] |= (byte) ((codes[from + i] >>> shift & mask) << place);
        }
      }
    }
  }

  /** Adds the bits to codes in which they are still 0. */
  void unpack(byte[] block, byte[] codes) {
    int mask = (1 << bits) - 1;
    int at = this.at;
    for (int run = 0; run < codes.length; run += width * 8 / bits, at += width) {
      for (int place = 0, to = run; place < 8; place += bits, to += width) {
        for (int i = 0; i < width; i++) {
          codes[to + i] |= (byte) ((block[at + i] >>> place & mask) << shift);
        }
      }
    }
  }
}

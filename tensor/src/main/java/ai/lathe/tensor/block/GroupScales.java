package ai.lathe.tensor.block;

/**
 * How a super block stores the small integers of its groups: {@code s}, and {@code m} where groups
 * have a minimum.
 */
enum GroupScales {

  /** 16 groups: byte {@code g} holds {@code s} in its low half and {@code m} in its high one. */
  NIBBLE_PAIRS(16, 0, 15, 15) {
    @Override
    void pack(int[] s, int[] m, byte[] block, int at) {
      for (int g = 0; g < 16; g++) {
        block[at + g] = (byte) (s[g] | m[g] << 4);
      }
    }

    @Override
    void unpack(byte[] block, int at, int[] s, int[] m) {
      for (int g = 0; g < 16; g++) {
        s[g] = block[at + g] & 15;
        m[g] = block[at + g] >>> 4 & 15;
      }
    }
  },

  /**
   * 8 groups in 12 bytes. Groups 0 to 3: {@code s} in byte {@code g}, {@code m} in byte {@code g +
   * 4}, low six bits. Groups 4 to 7: the low four bits of both in the halves of byte {@code g + 4},
   * the high two bits in what the first eight bytes leave free.
   */
  SIX_BIT_PAIRS(8, 0, 63, 63) {
    @Override
    void pack(int[] s, int[] m, byte[] block, int at) {
      for (int g = 0; g < 4; g++) {
        block[at + g] = (byte) (s[g] | s[g + 4] >> 4 << 6);
        block[at + 4 + g] = (byte) (m[g] | m[g + 4] >> 4 << 6);
        block[at + 8 + g] = (byte) (s[g + 4] & 15 | (m[g + 4] & 15) << 4);
      }
    }

    @Override
    void unpack(byte[] block, int at, int[] s, int[] m) {
      for (int g = 0; g < 4; g++) {
        s[g] = block[at + g] & 63;
        m[g] = block[at + 4 + g] & 63;
        s[g + 4] = block[at + 8 + g] & 15 | (block[at + g] >>> 6 & 3) << 4;
        m[g + 4] = block[at + 8 + g] >>> 4 & 15 | (block[at + 4 + g] >>> 6 & 3) << 4;
      }
    }
  },

  /**
   * 16 groups in 12 bytes, {@code s + 32} in six bits: the low four in the halves of 8 bytes, group
   * {@code g} low and {@code g + 8} high; the high two in 4 bytes, group {@code g} in byte {@code g
   * % 4} from bit {@code g / 4 * 2}.
   */
  SIX_BITS(16, -32, 31, 0) {
    @Override
    void pack(int[] s, int[] m, byte[] block, int at) {
      for (int g = 0; g < 16; g++) {
        int bits = s[g] + 32;
        block[at + g % 8] |= (byte) ((bits & 15) << g / 8 * 4);
        block[at + 8 + g % 4] |= (byte) (bits >> 4 << g / 4 * 2);
      }
    }

    @Override
    void unpack(byte[] block, int at, int[] s, int[] m) {
      for (int g = 0; g < 16; g++) {
        int low = block[at + g % 8] >>> g / 8 * 4 & 15;
        int high = block[at + 8 + g % 4] >>> g / 4 * 2 & 3;
        s[g] = (low | high << 4) - 32;
      }
    }
  },

  /** 16 groups, a byte each. */
  SIGNED_BYTES(16, -128, 127, 0) {
    @Override
    void pack(int[] s, int[] m, byte[] block, int at) {
      for (int g = 0; g < 16; g++) {
        block[at + g] = (byte) s[g];
      }
    }

    @Override
    void unpack(byte[] block, int at, int[] s, int[] m) {
      for (int g = 0; g < 16; g++) {
        s[g] = block[at + g];
      }
    }
  };

  final int groups;
  final int least;
  final int largest;
  final int largestMinimum;

  /**
   * @param least {@code s}
   * @param largest {@code s}
   * @param largestMinimum {@code m}; 0 where groups have none
   */
  GroupScales(int groups, int least, int largest, int largestMinimum) {
    this.groups = groups;
    this.least = least;
    this.largest = largest;
    this.largestMinimum = largestMinimum;
  }

  /** Whether groups have a minimum. */
  boolean minima() {
    return largestMinimum > 0;
  }

  /** The {@code s} of the largest magnitude. */
  int reach() {
    return -least > largest ? least : largest;
  }

  /** Whether these integers can be stored. */
  boolean holds(int s, int m) {
    return s >= least && s <= largest && m >= 0 && m <= largestMinimum;
  }

  /** Into bytes that are still 0, from {@code at}. */
  abstract void pack(int[] s, int[] m, byte[] block, int at);

  abstract void unpack(byte[] block, int at, int[] s, int[] m);
}

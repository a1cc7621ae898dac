package ai.lathe.tensor.block;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;

/**
 * Eight pairs of 6-bit numbers in 12 bytes, as Q4_K and Q5_K store scales and minima. Pairs 0 to 3:
 * byte {@code g} and byte {@code g + 4}, low six bits. Pairs 4 to 7: the low four bits of both in
 * the halves of byte {@code g + 4}, the high two bits in what the first eight bytes leave free.
 */
final class SixBitPairs {

  private SixBitPairs() {}

  static int first(MemorySegment source, long offset, int pair) {
    return pair < 4
        ? source.get(JAVA_BYTE, offset + pair) & 63
        : source.get(JAVA_BYTE, offset + pair + 4) & 15
            | (source.get(JAVA_BYTE, offset + pair - 4) >>> 6 & 3) << 4;
  }

  static int second(MemorySegment source, long offset, int pair) {
    return pair < 4
        ? source.get(JAVA_BYTE, offset + pair + 4) & 63
        : source.get(JAVA_BYTE, offset + pair + 4) >>> 4 & 15
            | (source.get(JAVA_BYTE, offset + pair) >>> 6 & 3) << 4;
  }

  /** {@code numbers[at .. at + 8)} are the firsts, the next eight the seconds. */
  static void pack(int[] numbers, int at, MemorySegment target, long offset) {
    for (int g = 0; g < 4; g++) {
      int first = numbers[at + g];
      int second = numbers[at + 8 + g];
      int laterFirst = numbers[at + 4 + g];
      int laterSecond = numbers[at + 12 + g];
      target.set(JAVA_BYTE, offset + g, (byte) (first | laterFirst >> 4 << 6));
      target.set(JAVA_BYTE, offset + 4 + g, (byte) (second | laterSecond >> 4 << 6));
      target.set(JAVA_BYTE, offset + 8 + g, (byte) (laterFirst & 15 | (laterSecond & 15) << 4));
    }
  }
}

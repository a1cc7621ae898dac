package ai.lathe.tensor.block;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import ai.lathe.tensor.BlockScales;
import ai.lathe.tensor.BlockType;
import java.lang.foreign.MemorySegment;

/**
 * Value {@code d * s[g] * (code - 32)} for 16 groups {@code g} of 16. Stored: 128 bytes of the
 * codes' low 4 bits, 64 bytes of their high 2 bits, 16 signed bytes {@code s}, {@code d} (float16).
 *
 * <p>Each half of 128 weights stands in 64 low and 32 high bytes: weights {@code l, l + 32, l + 64,
 * l + 96} share high byte {@code l}; the first two have the low halves of low bytes {@code l} and
 * {@code l + 32}, the last two their high halves.
 */
final class Q6_K implements BlockType {

  @Override
  public String name() {
    return "Q6_K";
  }

  @Override
  public int size() {
    return 256;
  }

  @Override
  public int bytes() {
    return 210;
  }

  @Override
  public int groupSize() {
    return 16;
  }

  @Override
  public int codes() {
    return 64;
  }

  private static final int HIGH = 128;
  private static final int SCALES = 192;
  private static final int D = 208;

  private static final SymmetricSuperBlock GRID =
      new SymmetricSuperBlock("Q6_K", 16, 16, -128, 127, 32, new ScaleSearch(-32, 31));

  @Override
  public BlockScales fit(float[] x, int at, float[] importance) {
    return GRID.fit(x, at, importance);
  }

  @Override
  public void write(BlockScales scales, byte[] codes, int at, MemorySegment target, long offset) {
    var stored = scales.stored();
    for (int half = 0; half < 2; half++) {
      int from = at + 128 * half;
      Nibbles.pack(codes, from, 64, target, offset + 64 * half);
      for (int l = 0; l < 32; l++) {
        int high = 0;
        for (int quarter = 0; quarter < 4; quarter++) {
          high |= (codes[from + l + 32 * quarter] >>> 4 & 3) << 2 * quarter;
        }
        target.set(JAVA_BYTE, offset + HIGH + 32 * half + l, (byte) high);
      }
    }
    for (int g = 0; g < 16; g++) {
      target.set(JAVA_BYTE, offset + SCALES + g, (byte) stored[1 + g]);
    }
    Half.write(target, offset + D, stored[0]);
  }

  @Override
  public void decode(MemorySegment source, long offset, float[] target, int at) {
    float d = Half.read(source, offset + D);
    for (int run = 0; run < 8; run++) { // 32 weights, two groups
      int half = run >> 2;
      int quarter = run & 3;
      long low = offset + 64 * half + 32 * (quarter & 1);
      long high = offset + HIGH + 32 * half;
      for (int part = 0; part < 2; part++) {
        float scale = d * source.get(JAVA_BYTE, offset + SCALES + 2 * run + part);
        int to = at + 32 * run;
        for (int l = 16 * part; l < 16 * part + 16; l++) {
          int code =
              source.get(JAVA_BYTE, low + l) >>> 4 * (quarter >> 1) & 15
                  | (source.get(JAVA_BYTE, high + l) >>> 2 * quarter & 3) << 4;
          target[to + l] = scale * (code - 32);
        }
      }
    }
  }

  @Override
  public String toString() {
    return name();
  }
}

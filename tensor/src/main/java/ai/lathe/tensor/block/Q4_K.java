package ai.lathe.tensor.block;

import ai.lathe.tensor.BlockScales;
import ai.lathe.tensor.BlockType;
import java.lang.foreign.MemorySegment;

/**
 * Value {@code d * s[g] * code - dmin * m[g]} for 8 groups {@code g} of 32. Stored: {@code d},
 * {@code dmin} (float16), 12 bytes of 6-bit {@code s} and {@code m}, 128 bytes of codes: 32 bytes
 * for each two groups, the even group low and the odd one high.
 */
final class Q4_K implements BlockType {

  @Override
  public String name() {
    return "Q4_K";
  }

  @Override
  public int size() {
    return 256;
  }

  @Override
  public int bytes() {
    return 144;
  }

  @Override
  public int groupSize() {
    return 32;
  }

  @Override
  public int codes() {
    return 16;
  }

  private static final AffineSuperBlock GRID =
      new AffineSuperBlock("Q4_K", 8, 32, 63, new ScaleSearch(0, 15));

  @Override
  public BlockScales fit(float[] x, int at, float[] importance) {
    return GRID.fit(x, at, importance);
  }

  @Override
  public void write(BlockScales scales, byte[] codes, int at, MemorySegment target, long offset) {
    var stored = scales.stored();
    Half.write(target, offset, stored[0]);
    Half.write(target, offset + 2, stored[1]);
    SixBitPairs.pack(stored, 2, target, offset + 4);
    for (int pair = 0; pair < 4; pair++) {
      Nibbles.pack(codes, at + 64 * pair, 32, target, offset + 16 + 32 * pair);
    }
  }

  @Override
  public void decode(MemorySegment source, long offset, float[] target, int at) {
    float d = Half.read(source, offset);
    float dmin = Half.read(source, offset + 2);
    for (int g = 0; g < 8; g += 2) {
      Nibbles.decode(
          source,
          offset + 16 + 16 * g,
          32,
          d * SixBitPairs.first(source, offset + 4, g),
          -(dmin * SixBitPairs.second(source, offset + 4, g)),
          d * SixBitPairs.first(source, offset + 4, g + 1),
          -(dmin * SixBitPairs.second(source, offset + 4, g + 1)),
          target,
          at + 32 * g);
    }
  }

  @Override
  public String toString() {
    return name();
  }
}

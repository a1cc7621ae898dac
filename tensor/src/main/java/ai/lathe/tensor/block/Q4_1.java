package ai.lathe.tensor.block;

import ai.lathe.tensor.BlockScales;
import ai.lathe.tensor.BlockType;
import java.lang.foreign.MemorySegment;

/**
 * Value {@code d * code + m}. Stored: {@code d} and {@code m} (float16), 16 bytes of codes, {@code
 * j} low and {@code j + 16} high.
 */
final class Q4_1 implements BlockType {

  @Override
  public String name() {
    return "Q4_1";
  }

  @Override
  public int size() {
    return 32;
  }

  @Override
  public int bytes() {
    return 20;
  }

  @Override
  public int groupSize() {
    return 32;
  }

  @Override
  public int codes() {
    return 16;
  }

  private static final ScaleSearch SEARCH = new ScaleSearch(0, 15);

  @Override
  public BlockScales fit(float[] x, int at, float[] importance) {
    var weights = ErrorWeights.of(name(), x, at, 32, 32, importance, ErrorWeights.Default.UNIFORM);
    var grid = SEARCH.affine(x, at, 32, weights, 0, false);
    int d = Half.factorBits(grid.scale(), name());
    int m = Half.bits(grid.offset(), name());
    return new BlockScales(
        new float[] {Half.value(d)}, new float[] {Half.value(m)}, new int[] {d, m});
  }

  @Override
  public void write(BlockScales scales, byte[] codes, int at, MemorySegment target, long offset) {
    Half.write(target, offset, scales.stored()[0]);
    Half.write(target, offset + 2, scales.stored()[1]);
    Nibbles.pack(codes, at, 16, target, offset + 4);
  }

  @Override
  public void decode(MemorySegment source, long offset, float[] target, int at) {
    float d = Half.read(source, offset);
    float m = Half.read(source, offset + 2);
    Nibbles.decode(source, offset + 4, 16, d, m, d, m, target, at);
  }

  @Override
  public String toString() {
    return name();
  }
}

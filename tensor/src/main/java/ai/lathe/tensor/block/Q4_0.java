package ai.lathe.tensor.block;

import ai.lathe.tensor.BlockScales;
import ai.lathe.tensor.BlockType;
import java.lang.foreign.MemorySegment;

/**
 * Value {@code d * (code - 8)}. Stored: {@code d} (float16), 16 bytes of codes, {@code j} low and
 * {@code j + 16} high. The scale's sign is free: the largest magnitude gets code 0.
 */
final class Q4_0 implements BlockType {

  @Override
  public String name() {
    return "Q4_0";
  }

  @Override
  public int size() {
    return 32;
  }

  @Override
  public int bytes() {
    return 18;
  }

  @Override
  public int groupSize() {
    return 32;
  }

  @Override
  public int codes() {
    return 16;
  }

  private static final ScaleSearch SEARCH = new ScaleSearch(-8, 7);

  @Override
  public BlockScales fit(float[] x, int at, float[] importance) {
    var weights = ErrorWeights.of(name(), x, at, 32, 32, importance, ErrorWeights.Default.UNIFORM);
    int d = Half.factorBits(SEARCH.symmetric(x, at, 32, weights, 0), name());
    float scale = Half.value(d);
    return new BlockScales(new float[] {scale}, new float[] {-8 * scale}, new int[] {d});
  }

  @Override
  public void write(BlockScales scales, byte[] codes, int at, MemorySegment target, long offset) {
    Half.write(target, offset, scales.stored()[0]);
    Nibbles.pack(codes, at, 16, target, offset + 2);
  }

  @Override
  public void decode(MemorySegment source, long offset, float[] target, int at) {
    float d = Half.read(source, offset);
    Nibbles.decode(source, offset + 2, 16, d, -8 * d, d, -8 * d, target, at);
  }

  @Override
  public String toString() {
    return name();
  }
}

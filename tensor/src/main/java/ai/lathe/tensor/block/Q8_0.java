package ai.lathe.tensor.block;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import ai.lathe.tensor.BlockScales;
import ai.lathe.tensor.BlockType;
import java.lang.foreign.MemorySegment;

/** Value {@code d * (code - 128)}. Stored: {@code d} (float16), 32 signed bytes. */
final class Q8_0 implements BlockType {

  @Override
  public String name() {
    return "Q8_0";
  }

  @Override
  public int size() {
    return 32;
  }

  @Override
  public int bytes() {
    return 34;
  }

  @Override
  public int groupSize() {
    return 32;
  }

  @Override
  public int codes() {
    return 256;
  }

  private static final ScaleSearch SEARCH = ScaleSearch.covering(-127, 127);

  @Override
  public BlockScales fit(float[] x, int at, float[] importance) {
    var weights = ErrorWeights.of(name(), x, at, 32, 32, importance, ErrorWeights.Default.UNIFORM);
    int d = Half.factorBits(Math.abs(SEARCH.symmetric(x, at, 32, weights, 0)), name());
    float scale = Half.value(d);
    return new BlockScales(new float[] {scale}, new float[] {-128 * scale}, new int[] {d});
  }

  @Override
  public void write(BlockScales scales, byte[] codes, int at, MemorySegment target, long offset) {
    Half.write(target, offset, scales.stored()[0]);
    for (int i = 0; i < 32; i++) {
      target.set(JAVA_BYTE, offset + 2 + i, (byte) (codes[at + i] ^ 0x80));
    }
  }

  @Override
  public void decode(MemorySegment source, long offset, float[] target, int at) {
    float d = Half.read(source, offset);
    for (int i = 0; i < 32; i++) {
      target[at + i] = d * source.get(JAVA_BYTE, offset + 2 + i);
    }
  }

  @Override
  public String toString() {
    return name();
  }
}

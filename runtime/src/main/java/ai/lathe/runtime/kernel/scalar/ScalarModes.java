package ai.lathe.runtime.kernel.scalar;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.tensor.ModeMatrix;
import java.lang.foreign.MemorySegment;

/** Blocks along one index of a grid, block-diagonal ones among them. Sums in double. */
final class ScalarModes implements PackedMatrix {

  private final ModeMatrix weight;
  private final String label;
  private final float[] blocks;

  /**
   * @param label of what it was stored as
   */
  ScalarModes(ModeMatrix weight, String label) {
    this.weight = weight;
    this.label = label + ", inputs float32";
    this.blocks = weight.blocks().decode().values();
  }

  @Override
  public int rows() {
    return weight.rows();
  }

  @Override
  public int columns() {
    return weight.columns();
  }

  @Override
  public int stripe() {
    return 1;
  }

  @Override
  public long bytes() {
    return (long) blocks.length * Float.BYTES;
  }

  @Override
  public String label() {
    return label;
  }

  @Override
  public void prepare(Input input) {}

  @Override
  public void multiply(Input input, int from, int to, MemorySegment out, long at, long stride) {
    var x = input.values();
    int high = weight.high();
    int wide = weight.wide();
    int inner = weight.inner();
    long columns = columns();
    for (int r = from; r < to; r++) {
      int t = r % inner;
      int p = r / inner / high;
      int w = (weight.block(p, t) * high + r / inner % high) * wide;
      for (int token = 0; token < input.tokens(); token++) {
        long xAt = token * columns + (long) p * wide * inner + t;
        double sum = 0;
        for (int k = 0; k < wide; k++) {
          sum += (double) blocks[w + k] * x.getAtIndex(JAVA_FLOAT, xAt + (long) k * inner);
        }
        out.setAtIndex(JAVA_FLOAT, at + token * stride + r, (float) sum);
      }
    }
  }
}

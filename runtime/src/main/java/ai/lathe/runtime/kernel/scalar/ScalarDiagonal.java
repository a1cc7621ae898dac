package ai.lathe.runtime.kernel.scalar;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.tensor.BlockDiagonal;
import java.lang.foreign.MemorySegment;

/** Square blocks along the diagonal: each row reads the inputs of its block. Sums in double. */
final class ScalarDiagonal implements PackedMatrix {

  private final String label;
  private final int rows;
  private final int size;
  private final float[] blocks;

  ScalarDiagonal(BlockDiagonal weight) {
    this.label = weight.encoding().label() + ", inputs float32";
    this.rows = weight.rows();
    this.size = weight.encoding().size();
    this.blocks = weight.blocks().toFloats();
  }

  @Override
  public int rows() {
    return rows;
  }

  @Override
  public int columns() {
    return rows;
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
    for (int t = 0; t < input.tokens(); t++) {
      for (int r = from; r < to; r++) {
        long xAt = (long) t * rows + r / size * size;
        double sum = 0;
        for (int k = 0; k < size; k++) {
          sum += (double) blocks[r * size + k] * x.getAtIndex(JAVA_FLOAT, xAt + k);
        }
        out.setAtIndex(JAVA_FLOAT, at + t * stride + r, (float) sum);
      }
    }
  }
}

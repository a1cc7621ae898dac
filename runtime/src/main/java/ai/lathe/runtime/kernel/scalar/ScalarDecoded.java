package ai.lathe.runtime.kernel.scalar;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.tensor.LinearWeight;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Any weight, a row at a time decoded to float32 and multiplied; sums in double. */
final class ScalarDecoded implements PackedMatrix {

  private final LinearWeight weight;
  private final int rows;
  private final int columns;

  /** One for each thread that computes. */
  private final ThreadLocal<float[]> decoded;

  ScalarDecoded(LinearWeight weight) {
    this.weight = weight;
    this.rows = weight.rows();
    this.columns = weight.columns();
    this.decoded = ThreadLocal.withInitial(() -> new float[columns]);
  }

  @Override
  public int rows() {
    return rows;
  }

  @Override
  public int columns() {
    return columns;
  }

  @Override
  public int stripe() {
    return 1;
  }

  @Override
  public long bytes() {
    return weight.encoding().bytes(rows, columns);
  }

  @Override
  public String label() {
    return weight.encoding().label() + ", decoded row by row, inputs float32";
  }

  @Override
  public void prepare(Input input) {}

  @Override
  public void multiply(Input input, int from, int to, MemorySegment out, long at, long stride) {
    int n = columns;
    var row = decoded.get();
    var x = input.values();
    for (int r = from; r < to; r++) {
      weight.decodeRows(r, r + 1, row, 0);
      for (int t = 0; t < input.tokens(); t++) {
        long xAt = (long) t * n;
        double sum = 0;
        for (int k = 0; k < n; k++) {
          sum += (double) row[k] * x.getAtIndex(ValueLayout.JAVA_FLOAT, xAt + k);
        }
        out.setAtIndex(ValueLayout.JAVA_FLOAT, at + t * stride + r, (float) sum);
      }
    }
  }
}

package ai.lathe.runtime.kernel.scalar;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.tensor.LinearWeight;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Any weight, a row at a time decoded to float32 and multiplied; sums in double. */
record ScalarDecoded(LinearWeight weight) implements PackedMatrix {

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
    return weight.encoding().bytes(weight.rows(), weight.columns());
  }

  @Override
  public String label() {
    return weight.encoding().label() + ", decoded row by row, inputs float32";
  }

  @Override
  public void prepare(Input input) {}

  @Override
  public void multiply(Input input, int from, int to, MemorySegment out, long at, long stride) {
    int n = weight.columns();
    var row = new float[n];
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

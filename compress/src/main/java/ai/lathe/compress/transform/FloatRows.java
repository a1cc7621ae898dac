package ai.lathe.compress.transform;

import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;

/** A matrix in float32 whose rows are computed from another's, some at a time. */
final class FloatRows {

  /** Weights of a part. */
  private static final int PART = 1 << 22;

  private FloatRows() {}

  /** What becomes of consecutive rows. */
  interface Change {

    /**
     * @param values {@code [rows, columns]}, to be changed in place
     */
    void apply(float[] values, int rows);
  }

  static Dense of(LinearWeight weight, Change change) {
    int rows = weight.rows();
    int columns = weight.columns();
    var data = Arena.ofAuto().allocate(DType.F32.bytes((long) rows * columns), 64);
    int step = Math.clamp(PART / columns, 1, rows);
    for (int from = 0; from < rows; from += step) {
      int to = Math.min(rows, from + step);
      var values = new float[(to - from) * columns];
      weight.decodeRows(from, to, values, 0);
      change.apply(values, to - from);
      Tensor.putFloats(DType.F32, values, values.length, data, (long) from * columns);
    }
    return new Dense(new Tensor(DType.F32, new long[] {rows, columns}, data));
  }
}

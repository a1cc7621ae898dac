package ai.lathe.runtime.kernel.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.FloatQuantized;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Weights that are multiplied in float32. */
final class FloatMatrices {

  private FloatMatrices() {}

  /**
   * Stored floats as they are. What has no kernel of its own (codebooks, two-level groups, sparse
   * and factorized weights, sums, numbers in other types) is decoded to float32 here, once, and
   * says so in its label; a kernel for one of them is a case here.
   *
   * @param arena of what is copied
   */
  static PackedMatrix of(LinearWeight weight, Arena arena) {
    return new FloatMatrix(
        switch (weight) {
          case Dense(Tensor tensor) -> stored(weight, tensor, arena);
          case FloatQuantized quantized when Float8Rows.hold(quantized) ->
              Float8Rows.of(quantized, arena);
          default -> decoded(weight, arena);
        });
  }

  private static FloatRows stored(LinearWeight weight, Tensor tensor, Arena arena) {
    int rows = weight.rows();
    int columns = weight.columns();
    return switch (tensor.dtype()) {
      case F32 -> new Float32Rows("F32", rows, columns, outsideHeap(tensor, arena));
      case BF16 -> new Bfloat16Rows(rows, columns, outsideHeap(tensor, arena));
      case F16 -> new Float16Rows(rows, columns, outsideHeap(tensor, arena));
      default -> decoded(weight, arena);
    };
  }

  /** Kernels that meet memory on and off the heap are slower for both. */
  private static MemorySegment outsideHeap(Tensor tensor, Arena arena) {
    var data = tensor.data();
    return data.isNative() ? data : arena.allocate(data.byteSize(), 64).copyFrom(data);
  }

  private static FloatRows decoded(LinearWeight weight, Arena arena) {
    int rows = weight.rows();
    int columns = weight.columns();
    long rowBytes = DType.F32.bytes(columns);
    var data = arena.allocate(Math.multiplyExact(rowBytes, rows), 64);
    var row = new float[columns];
    for (int r = 0; r < rows; r++) {
      weight.decodeRows(r, r + 1, row, 0);
      MemorySegment.copy(row, 0, data, JAVA_FLOAT_UNALIGNED, r * rowBytes, columns);
    }
    var label = weight.encoding().label() + " decoded to float32";
    return new Float32Rows(label, rows, columns, data);
  }
}

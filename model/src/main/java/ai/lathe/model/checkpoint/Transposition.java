package ai.lathe.model.checkpoint;

import ai.lathe.tensor.Dense;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/** Plain matrices between {@code [in, out]}, as GPT-2's files hold them, and {@code [out, in]}. */
final class Transposition {

  private Transposition() {}

  static LinearWeight of(LinearWeight weight) {
    if (weight instanceof Dense(Tensor tensor)) {
      return new Dense(of(tensor));
    }
    throw new LatheException("a weight of " + weight.encoding().label() + " is not transposed");
  }

  private static Tensor of(Tensor tensor) {
    long rows = tensor.shape()[0];
    long columns = tensor.shape()[1];
    var data = tensor.data();
    if (data.byteSize() > Integer.MAX_VALUE - 8) {
      throw new LatheException("a matrix of " + data.byteSize() + " bytes is too large to turn");
    }
    var turned = MemorySegment.ofArray(new byte[(int) data.byteSize()]);
    long bytes = tensor.dtype().bits() / 8;
    for (long row = 0; row < rows; row++) {
      for (long column = 0; column < columns; column++) {
        MemorySegment.copy(
            data, (row * columns + column) * bytes, turned, (column * rows + row) * bytes, bytes);
      }
    }
    return new Tensor(tensor.dtype(), new long[] {columns, rows}, turned);
  }
}

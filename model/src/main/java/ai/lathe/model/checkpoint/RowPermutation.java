package ai.lathe.model.checkpoint;

import ai.lathe.model.architecture.Parameter;
import ai.lathe.model.architecture.Parameter.RowOrder;
import ai.lathe.tensor.BlockQuantized;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * The order of a head's rows in GGUF: Hugging Face rotates feature {@code i} with {@code i + d/2},
 * llama.cpp {@code 2i} with {@code 2i + 1}. Whole rows are moved, so that stored blocks stay as
 * they are.
 *
 * @param headSize rows of a head, even
 * @param toGguf the other way if false
 */
record RowPermutation(int headSize, boolean toGguf) {

  /** Null where the parameter's rows are the same in both. */
  static RowPermutation of(Parameter parameter, int headSize, boolean toGguf) {
    return parameter.ggufRows() == RowOrder.INTERLEAVED
        ? new RowPermutation(headSize, toGguf)
        : null;
  }

  /** Which row comes to stand at {@code row}. */
  int source(int row) {
    int head = row / headSize * headSize;
    int at = row % headSize;
    int half = headSize / 2;
    return head + (toGguf ? at % 2 * half + at / 2 : at % half * 2 + at / half);
  }

  LinearWeight apply(LinearWeight weight) {
    return switch (weight) {
      case Dense(Tensor tensor) -> new Dense(apply(tensor));
      case BlockQuantized blocks ->
          new BlockQuantized(
              blocks.type(),
              blocks.rows(),
              blocks.columns(),
              apply(blocks.blocks(), blocks.rows()));
      case LinearWeight other ->
          throw new LatheException("GGUF has no weights of " + other.encoding().label());
    };
  }

  /** Permutes the outermost dimension. */
  Tensor apply(Tensor tensor) {
    return new Tensor(
        tensor.dtype(), tensor.shape(), apply(tensor.data(), Math.toIntExact(tensor.rows())));
  }

  private MemorySegment apply(MemorySegment data, int rows) {
    if (data.byteSize() > Integer.MAX_VALUE - 8) {
      throw new LatheException("a query or key of " + data.byteSize() + " bytes is too large");
    }
    var permuted = MemorySegment.ofArray(new byte[(int) data.byteSize()]);
    long bytes = data.byteSize() / rows;
    for (int row = 0; row < rows; row++) {
      MemorySegment.copy(data, source(row) * bytes, permuted, row * bytes, bytes);
    }
    return permuted;
  }
}

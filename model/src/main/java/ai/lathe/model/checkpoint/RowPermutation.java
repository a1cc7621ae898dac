package ai.lathe.model.checkpoint;

import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Parameter;
import ai.lathe.tensor.BlockQuantized;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * The order of rows in GGUF where it is not Hugging Face's. Whole rows are moved, so that stored
 * blocks stay as they are.
 */
sealed interface RowPermutation {

  /** Which row comes to stand at {@code row}. */
  int source(int row);

  /**
   * Hugging Face rotates feature {@code i} with {@code i + d/2}, llama.cpp {@code 2i} with {@code
   * 2i + 1}.
   *
   * @param headSize rows of a head, even
   * @param toGguf the other way if false
   */
  record Interleaved(int headSize, boolean toGguf) implements RowPermutation {

    @Override
    public int source(int row) {
      int head = row / headSize * headSize;
      int at = row % headSize;
      int half = headSize / 2;
      return head + (toGguf ? at % 2 * half + at / 2 : at % half * 2 + at / half);
    }
  }

  /**
   * Query, key and value of each head, in GGUF all queries, all keys, all values.
   *
   * @param toGguf the other way if false
   */
  record Ungrouped(int heads, int headSize, boolean toGguf) implements RowPermutation {

    @Override
    public int source(int row) {
      int at = row % headSize;
      int part = row / headSize;
      return (toGguf ? part % heads * 3 + part / heads : part % 3 * heads + part / 3) * headSize
          + at;
    }
  }

  /** Null where the parameter's rows are the same in both. */
  static RowPermutation of(Parameter parameter, ModelConfig config, boolean toGguf) {
    return switch (parameter.ggufRows()) {
      case SAME -> null;
      case INTERLEAVED -> new Interleaved(config.headSize(), toGguf);
      case UNGROUPED -> new Ungrouped(config.heads(), config.headSize(), toGguf);
    };
  }

  default LinearWeight apply(LinearWeight weight) {
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
  default Tensor apply(Tensor tensor) {
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

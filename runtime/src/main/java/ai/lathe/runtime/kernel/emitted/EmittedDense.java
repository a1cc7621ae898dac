package ai.lathe.runtime.kernel.emitted;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.PackedMatrix;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * Stored floats, multiplied by machine code with a few tokens, one after the other, which is bound
 * by reading them; with many by another provider. That one changes its order of sums between few
 * and many, and so does this: results are its own.
 */
final class EmittedDense implements PackedMatrix {

  /** Weights that one call reads: they stay in a cache until the next token reads them. */
  private static final int CALL_BYTES = 256 << 10;

  private final MemorySegment data;
  private final PackedMatrix beside;
  private final MemorySegment function;
  private final int most;
  private final long rowBytes;

  /**
   * @param data row-major, outside the heap
   * @param beside the same weight
   * @param most tokens
   * @param bytes of a weight
   */
  EmittedDense(
      MemorySegment data, PackedMatrix beside, MemorySegment function, int most, int bytes) {
    this.data = data;
    this.beside = beside;
    this.function = function;
    this.most = most;
    rowBytes = (long) beside.columns() * bytes;
    Objects.checkFromIndexSize(0, rowBytes * beside.rows(), data.byteSize());
  }

  @Override
  public int rows() {
    return beside.rows();
  }

  @Override
  public int columns() {
    return beside.columns();
  }

  @Override
  public int stripe() {
    return beside.stripe();
  }

  @Override
  public int stripe(int tokens) {
    return tokens <= most ? DenseKernel.ROWS : stripe();
  }

  @Override
  public long bytes() {
    return beside.bytes();
  }

  @Override
  public String label() {
    return beside.label();
  }

  private boolean few(Input input) {
    return input.tokens() <= most && input.values().isNative();
  }

  @Override
  public void prepare(Input input) {
    if (!few(input)) {
      beside.prepare(input);
    }
  }

  @Override
  public void multiply(Input input, int from, int to, MemorySegment out, long at, long stride) {
    if (!few(input) || !out.isNative()) {
      beside.multiply(input, from, to, out, at, stride);
      return;
    }
    if (from >= to || input.tokens() == 0) {
      return;
    }
    check(input, from, to, out, at, stride);
    int columns = columns();
    int step = (int) Math.clamp(CALL_BYTES / Math.max(1, rowBytes), 1, 1 << 20) * DenseKernel.ROWS;
    for (int first = from, last; first < to; first = last) {
      last = Math.min(to, first + step);
      int count = last - first;
      for (int t = 0; t < input.tokens(); t++) {
        NativeCall.call(
            function,
            data.address() + first * rowBytes,
            input.values().address() + (long) t * columns * Float.BYTES,
            out.address() + (at + t * stride + first) * Float.BYTES,
            count / DenseKernel.ROWS,
            count % DenseKernel.ROWS,
            count / DenseKernel.ROWS * rowBytes,
            columns / 16,
            columns % 16);
      }
    }
  }

  /** What machine code does not: a mistake would overwrite foreign memory. */
  private void check(Input input, int from, int to, MemorySegment out, long at, long stride) {
    Objects.checkFromToIndex(from, to, rows());
    if (input.columns() != columns()) {
      throw new IllegalArgumentException(
          "an input of %d columns for %d".formatted(input.columns(), columns()));
    }
    Objects.checkFromIndexSize(
        0, (long) input.tokens() * columns() * Float.BYTES, input.values().byteSize());
    long last = at + (input.tokens() - 1) * stride + to;
    if (out.isReadOnly() || at < 0 || stride < 0 || last > out.byteSize() / Float.BYTES) {
      throw new IndexOutOfBoundsException(
          "results up to element %d of %d".formatted(last, out.byteSize() / Float.BYTES));
    }
    if (!out.scope().isAlive() || !data.scope().isAlive() || !input.values().scope().isAlive()) {
      throw new IllegalStateException("the memory of weights, inputs or results is closed");
    }
  }
}

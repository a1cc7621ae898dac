package ai.lathe.runtime.kernel.sparse;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.PackedMatrix;
import java.lang.foreign.MemorySegment;

/**
 * A sparse weight with its zeros.
 *
 * @param why half a sentence
 */
public record ExecutedDense(PackedMatrix inner, String stored, String why) implements PackedMatrix {

  @Override
  public int rows() {
    return inner.rows();
  }

  @Override
  public int columns() {
    return inner.columns();
  }

  @Override
  public int stripe() {
    return inner.stripe();
  }

  @Override
  public long bytes() {
    return inner.bytes();
  }

  @Override
  public String label() {
    return "%s, executed dense because %s: %s".formatted(stored, why, inner.label());
  }

  @Override
  public void prepare(Input input) {
    inner.prepare(input);
  }

  @Override
  public void multiply(Input input, int from, int to, MemorySegment out, long at, long stride) {
    inner.multiply(input, from, to, out, at, stride);
  }
}

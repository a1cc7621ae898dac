package ai.lathe.runtime.kernel.composite;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.PackedMatrix;
import java.lang.foreign.MemorySegment;

/** A matrix that says where it comes from. */
record Named(PackedMatrix matrix, String label) implements PackedMatrix {

  @Override
  public int rows() {
    return matrix.rows();
  }

  @Override
  public int columns() {
    return matrix.columns();
  }

  @Override
  public int stripe() {
    return matrix.stripe();
  }

  @Override
  public int stripe(int tokens) {
    return matrix.stripe(tokens);
  }

  @Override
  public long bytes() {
    return matrix.bytes();
  }

  @Override
  public void prepare(Input input) {
    matrix.prepare(input);
  }

  @Override
  public void multiply(Input input, int from, int to, MemorySegment out, long at, long stride) {
    matrix.multiply(input, from, to, out, at, stride);
  }
}

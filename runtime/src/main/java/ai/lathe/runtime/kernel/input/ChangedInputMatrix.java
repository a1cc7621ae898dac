package ai.lathe.runtime.kernel.input;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.InputForm;
import ai.lathe.runtime.kernel.PackedMatrix;
import java.lang.foreign.MemorySegment;

/** A matrix of a changed input. */
record ChangedInputMatrix(PackedMatrix inner, InputForm.Kind<ChangedInput> kind)
    implements PackedMatrix {

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
    return inner.label() + ", before that " + kind.name();
  }

  @Override
  public void prepare(Input input) {
    inner.prepare(input.form(kind).input());
  }

  @Override
  public void multiply(Input input, int from, int to, MemorySegment out, long at, long stride) {
    inner.multiply(input.made(kind).input(), from, to, out, at, stride);
  }
}

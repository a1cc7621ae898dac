package ai.lathe.runtime.kernel.emitted;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.InputForm;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.sparse.Spread;
import ai.lathe.runtime.kernel.sparse.UnitStripes;
import java.lang.foreign.MemorySegment;

/**
 * Integer codes without blocks of zeros. Few tokens read them as they are; for many, they are
 * spread out.
 */
record EmittedUnits(
    EmittedStripes few, UnitStripes stripes, Kernels kernels, InputForm.Kind<TiledInput> kind)
    implements PackedMatrix {

  static EmittedUnits of(UnitStripes stripes, Kernels kernels, InputForm.Kind<TiledInput> kind) {
    return new EmittedUnits(new EmittedStripes(stripes, kernels, kind), stripes, kernels, kind);
  }

  @Override
  public int rows() {
    return few.rows();
  }

  @Override
  public int columns() {
    return few.columns();
  }

  @Override
  public int stripe() {
    return few.stripe();
  }

  @Override
  public long bytes() {
    return few.bytes();
  }

  @Override
  public String label() {
    return few.label();
  }

  @Override
  public void prepare(Input input) {
    few.prepare(input);
  }

  @Override
  public void multiply(Input input, int from, int to, MemorySegment out, long at, long stride) {
    if (input.made(kind).few()) {
      few.multiply(input, from, to, out, at, stride);
      return;
    }
    Spread.multiply(
        stripes,
        stripes::expand,
        Panel.ROWS,
        spread -> new EmittedStripes(spread, kernels, kind),
        input,
        from,
        to,
        out,
        at,
        stride);
  }
}

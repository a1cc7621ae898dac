package ai.lathe.runtime.kernel.scalar;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.InputForm;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.layout.InputRule;
import ai.lathe.runtime.kernel.layout.Int8Input;
import ai.lathe.runtime.kernel.layout.Layout;
import ai.lathe.runtime.kernel.layout.Stripes;
import ai.lathe.runtime.kernel.sparse.CompactStripes;
import java.lang.foreign.MemorySegment;

/** Integer codes without their zeros: each stripe is spread out, then multiplied as a dense one. */
final class ScalarSparse implements PackedMatrix {

  private final CompactStripes stripes;
  private final InputRule rule;
  private final InputForm.Kind<Int8Input> kind;

  /** A thread's stripe that is spread out. */
  private final ThreadLocal<ScalarStripes> own = ThreadLocal.withInitial(this::stripeOfZeros);

  ScalarSparse(CompactStripes stripes, InputRule rule, InputForm.Kind<Int8Input> kind) {
    this.stripes = stripes;
    this.rule = rule;
    this.kind = kind;
  }

  private ScalarStripes stripeOfZeros() {
    var layout = stripes.layout();
    var codes = MemorySegment.ofArray(new long[(int) (layout.stripeBytes(columns()) / Long.BYTES)]);
    var factors = MemorySegment.ofArray(new float[Layout.ROWS]);
    var dense = new Stripes(layout, Layout.ROWS, columns(), codes, factors, null);
    return new ScalarStripes(dense, rule, kind);
  }

  @Override
  public int rows() {
    return stripes.rows();
  }

  @Override
  public int columns() {
    return stripes.columns();
  }

  @Override
  public int stripe() {
    return Layout.ROWS;
  }

  @Override
  public long bytes() {
    return stripes.bytes();
  }

  @Override
  public String label() {
    return stripes.label() + ", inputs " + rule.label();
  }

  @Override
  public void prepare(Input input) {
    input.form(kind);
  }

  @Override
  public void multiply(Input input, int from, int to, MemorySegment out, long at, long stride) {
    var dense = own.get();
    var factors = dense.stripes().factors();
    for (int row = from; row < to; row += Layout.ROWS) {
      stripes.expand(row / Layout.ROWS, dense.stripes().codes(), 0);
      MemorySegment.copy(stripes.factors(), 4L * row, factors, 0, factors.byteSize());
      dense.multiply(input, 0, Math.min(Layout.ROWS, to - row), out, at + row, stride);
    }
  }
}

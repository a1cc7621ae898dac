package ai.lathe.runtime.kernel.scalar;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.InputForm;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.layout.InputRule;
import ai.lathe.runtime.kernel.layout.Int8Input;
import ai.lathe.runtime.kernel.layout.Layout;
import ai.lathe.runtime.kernel.layout.Stripes;
import ai.lathe.runtime.kernel.sparse.SparseStripes;
import java.lang.foreign.MemorySegment;

/** Integer codes without their zeros: each stripe is spread out, then multiplied as a dense one. */
record ScalarSparse(SparseStripes stripes, InputRule rule, InputForm.Kind<Int8Input> kind)
    implements PackedMatrix {

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
    var layout = stripes.layout();
    var codes = MemorySegment.ofArray(new long[(int) (layout.stripeBytes(columns()) / Long.BYTES)]);
    for (int row = from; row < to; row += Layout.ROWS) {
      stripes.expand(row / Layout.ROWS, codes, 0);
      int count = Math.min(Layout.ROWS, to - row);
      var factors = stripes.factors().asSlice(4L * row, 4L * Layout.ROWS);
      var dense = new Stripes(layout, count, columns(), codes, factors, null);
      new ScalarStripes(dense, rule, kind).multiply(input, 0, count, out, at + row, stride);
    }
  }
}

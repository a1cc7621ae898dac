package ai.lathe.runtime.kernel.vector;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.InputForm;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.layout.InputRule;
import ai.lathe.runtime.kernel.layout.Int8Input;
import ai.lathe.runtime.kernel.layout.Layout;
import ai.lathe.runtime.kernel.layout.Sides;
import ai.lathe.runtime.kernel.layout.Stripes;
import ai.lathe.runtime.kernel.sparse.SparseStripes;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Integer codes without their zeros. Few tokens read them as they are; for many, a few stripes are
 * spread out in a cache and multiplied as dense ones.
 */
final class VectorSparse implements PackedMatrix {

  private final SparseStripes stripes;
  private final InputRule rule;
  private final InputForm.Kind<VectorInput> kind;
  private final Layout layout;

  /** A thread's stripes that are spread out; grows to what was needed most. */
  private static final ThreadLocal<MemorySegment> SPREAD =
      ThreadLocal.withInitial(() -> MemorySegment.NULL);

  VectorSparse(SparseStripes stripes, InputRule rule, InputForm.Kind<VectorInput> kind) {
    this.stripes = stripes;
    this.rule = rule;
    this.kind = kind;
    layout = stripes.layout();
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
    return VectorStripes.STRIPE;
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
    var x = input.form(kind);
    if (!x.many()) {
      x.makePairs();
    }
  }

  @Override
  public void multiply(Input input, int from, int to, MemorySegment out, long at, long stride) {
    var x = input.made(kind);
    if (x.many()) {
      many(input, from, to, out, at, stride);
    } else {
      few(x, from, to, out, at, stride);
    }
  }

  private void few(VectorInput x, int from, int to, MemorySegment out, long at, long stride) {
    var scratch = CodeScratch.own();
    int rows = Layout.ROWS;
    int units = layout.units(columns());
    boolean plain = layout.sides() == Sides.ROW;
    var results = scratch.results(rows);
    var totals = scratch.totals(rows);
    for (int row = from; row < to; row += rows) {
      long w = stripes.stripeAt(row / rows);
      int end = Math.min(row + rows, to);
      for (int t = 0; t < x.tokens(); t++) {
        int pairs = t * x.padded() / 2;
        int blocks = t * x.blocks();
        long o = at + t * stride + row;
        if (plain) {
          SparseSums.total(
              stripes.codes(), w, stripes.codesAt(), units, x.pairs(), pairs, totals, 0);
          float a = x.scales()[blocks];
          GroupProduct.finish(totals, 0, a, stripes.factors(), row, end, out, o);
        } else {
          Arrays.fill(results, 0, rows, 0);
          SparseSums.groups(
              stripes.codes(),
              w,
              stripes.sidesAt(),
              stripes.codesAt(),
              units,
              layout.group() < Int8Input.BLOCK,
              x.pairs(),
              pairs,
              x.scales(),
              blocks,
              results,
              0);
          GroupProduct.finish(results, 0, stripes.factors(), row, end, out, o);
        }
      }
    }
  }

  private void many(Input input, int from, int to, MemorySegment out, long at, long stride) {
    int units = layout.units(columns());
    var dense = spread();
    for (int row = from; row < to; row += VectorStripes.STRIPE) {
      int count = Math.min(VectorStripes.STRIPE, to - row);
      int here = Layout.stripes(count);
      for (int s = 0; s < here; s++) {
        SparseSums.expand(
            stripes.codes(),
            stripes.stripeAt(row / Layout.ROWS + s),
            stripes.sidesAt(),
            stripes.codesAt(),
            SparseStripes.sideBytes(layout),
            units,
            dense,
            s * layout.stripeBytes(columns()),
            layout.unitBytes());
      }
      var factors = stripes.factors().asSlice(4L * row, 4L * Layout.ROWS * here);
      var spread = new Stripes(layout, count, columns(), dense, factors, null);
      new VectorStripes(spread, rule, kind).multiply(input, 0, count, out, at + row, stride);
    }
  }

  private MemorySegment spread() {
    long bytes = layout.bytes(VectorStripes.STRIPE, columns());
    var memory = SPREAD.get();
    if (memory.byteSize() < bytes) {
      memory = Arena.ofAuto().allocate(bytes, 64);
      SPREAD.set(memory);
    }
    return memory;
  }
}

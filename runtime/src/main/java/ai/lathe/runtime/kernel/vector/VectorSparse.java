package ai.lathe.runtime.kernel.vector;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.InputForm;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.layout.InputRule;
import ai.lathe.runtime.kernel.layout.Int8Input;
import ai.lathe.runtime.kernel.layout.Layout;
import ai.lathe.runtime.kernel.layout.Sides;
import ai.lathe.runtime.kernel.sparse.CompactStripes;
import ai.lathe.runtime.kernel.sparse.SparseStripes;
import ai.lathe.runtime.kernel.sparse.Spread;
import ai.lathe.runtime.kernel.sparse.UnitStripes;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Integer codes without their zeros. Few tokens read them as they are; for many, a few stripes are
 * spread out in a cache and multiplied as dense ones.
 */
final class VectorSparse implements PackedMatrix {

  private final CompactStripes stripes;
  private final InputRule rule;
  private final InputForm.Kind<VectorInput> kind;
  private final Layout layout;

  VectorSparse(CompactStripes stripes, InputRule rule, InputForm.Kind<VectorInput> kind) {
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
      return;
    }
    switch (stripes) {
      case SparseStripes masked -> few(masked, x, from, to, out, at, stride);
      case UnitStripes blocks -> few(blocks, x, from, to, out, at, stride);
    }
  }

  private static void few(
      UnitStripes stripes,
      VectorInput x,
      int from,
      int to,
      MemorySegment out,
      long at,
      long stride) {
    int rows = Layout.ROWS;
    var totals = CodeScratch.own().totals(rows);
    for (int row = from; row < to; row += rows) {
      long w = stripes.stripeAt(row / rows);
      int end = Math.min(row + rows, to);
      for (int t = 0; t < x.tokens(); t++) {
        UnitSums.total(stripes.codes(), w, x.pairs(), t * x.padded() / 2, totals, 0);
        float a = x.scales()[t * x.blocks()];
        long o = at + t * stride + row;
        GroupProduct.finish(totals, 0, a, stripes.factors(), row, end, out, o);
      }
    }
  }

  private void few(
      SparseStripes stripes,
      VectorInput x,
      int from,
      int to,
      MemorySegment out,
      long at,
      long stride) {
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
    Spread.multiply(
        stripes,
        this::expand,
        VectorStripes.STRIPE,
        spread -> new VectorStripes(spread, rule, kind),
        input,
        from,
        to,
        out,
        at,
        stride);
  }

  private void expand(int stripe, MemorySegment target, long at) {
    switch (stripes) {
      case UnitStripes blocks -> blocks.expand(stripe, target, at);
      case SparseStripes masked ->
          SparseSums.expand(
              masked.codes(),
              masked.stripeAt(stripe),
              masked.sidesAt(),
              masked.codesAt(),
              masked.sideBytes(),
              layout.units(columns()),
              target,
              at,
              layout.unitBytes());
    }
  }
}

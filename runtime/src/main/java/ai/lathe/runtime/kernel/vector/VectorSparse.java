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

  /** Of codes with masks; else empty, as are the other ones without blocks. */
  private final MaskedStripe[] masked;

  private final BlockStripe[] blocks;

  VectorSparse(CompactStripes stripes, InputRule rule, InputForm.Kind<VectorInput> kind) {
    this.stripes = stripes;
    this.rule = rule;
    this.kind = kind;
    layout = stripes.layout();
    masked = stripes instanceof SparseStripes s ? MaskedStripe.all(s) : new MaskedStripe[0];
    blocks = stripes instanceof UnitStripes s ? BlockStripe.all(s) : new BlockStripe[0];
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
      case SparseStripes _ -> masked(x, from, to, out, at, stride);
      case UnitStripes _ -> blocks(x, from, to, out, at, stride);
    }
  }

  private void blocks(VectorInput x, int from, int to, MemorySegment out, long at, long stride) {
    int rows = Layout.ROWS;
    var totals = CodeScratch.own().totals(rows);
    for (int row = from; row < to; row += rows) {
      var stripe = blocks[row / rows];
      int end = Math.min(row + rows, to);
      for (int t = 0; t < x.tokens(); t++) {
        UnitSums.total(stripe, x.pairs(), t * x.padded() / 2, totals, 0);
        float a = x.scales()[t * x.blocks()];
        long o = at + t * stride + row;
        GroupProduct.finish(totals, 0, a, stripes.factors(), row, end, out, o);
      }
    }
  }

  private void masked(VectorInput x, int from, int to, MemorySegment out, long at, long stride) {
    var scratch = CodeScratch.own();
    int rows = Layout.ROWS;
    int units = layout.units(columns());
    boolean plain = layout.sides() == Sides.ROW;
    boolean halves = layout.group() < Int8Input.BLOCK;
    var results = scratch.results(2 * rows);
    var totals = scratch.totals(2 * rows);
    for (int row = from; row < to; row += 2 * rows) {
      // Where there is no second stripe, the first is computed twice.
      int count = row + rows < to ? 2 : 1;
      var first = masked[row / rows];
      var second = masked[row / rows + count - 1];
      for (int t = 0; t < x.tokens(); t++) {
        int pairs = t * x.padded() / 2;
        int blocksAt = t * x.blocks();
        if (plain) {
          SparseSums.total(first, second, units, x.pairs(), pairs, totals);
        } else {
          Arrays.fill(results, 0, 2 * rows, 0);
          long sides = stripes.sidesAt();
          SparseSums.groups(
              first, second, sides, units, halves, x.pairs(), pairs, x.scales(), blocksAt, results);
        }
        for (int i = 0; i < count; i++) {
          int start = row + i * rows;
          int end = Math.min(start + rows, to);
          long o = at + t * stride + start;
          if (plain) {
            float a = x.scales()[blocksAt];
            GroupProduct.finish(totals, i * rows, a, stripes.factors(), start, end, out, o);
          } else {
            GroupProduct.finish(results, i * rows, stripes.factors(), start, end, out, o);
          }
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
      case UnitStripes units -> units.expand(stripe, target, at);
      case SparseStripes codes ->
          SparseSums.expand(
              masked[stripe],
              codes.sidesAt(),
              codes.sideBytes(),
              layout.units(columns()),
              target,
              at,
              layout.unitBytes());
    }
  }
}

package ai.lathe.runtime.kernel.vector;

import static ai.lathe.runtime.kernel.vector.Width.LANES;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.InputForm;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.layout.InputRule;
import ai.lathe.runtime.kernel.layout.Int8Input;
import ai.lathe.runtime.kernel.layout.Layout;
import ai.lathe.runtime.kernel.layout.Sides;
import ai.lathe.runtime.kernel.layout.Stripes;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Integer codes of any {@link Layout} with inputs in int8. Few tokens are multiplied straight from
 * the layout, a span of columns that stays in the first cache at a time; for many tokens codes are
 * spread out into a panel that serves them all.
 */
final class VectorStripes implements PackedMatrix {

  /** Columns of few tokens' spans: 16 rows of them and the sums of their groups fit the cache. */
  private static final int SPAN = 1024;

  /** Least columns of a panel: with two vectors of rows in float32 half of a first cache. */
  private static final int PANEL = 128;

  /** Tokens that pass over a panel: their inputs stay in the second cache. */
  private static final int TOKENS = 16 * PanelProduct.TOKENS;

  /** Two stripes, or two vectors of rows. */
  static final int STRIPE = Math.max(PanelProduct.ROWS, 2 * Layout.ROWS);

  private static final float[] ONES = new float[Math.max(PanelProduct.ROWS, PanelProduct.TOKENS)];

  static {
    Arrays.fill(ONES, 1);
  }

  private final Stripes stripes;
  private final InputRule rule;
  private final InputForm.Kind<VectorInput> kind;
  private final Layout layout;

  VectorStripes(Stripes stripes, InputRule rule, InputForm.Kind<VectorInput> kind) {
    this.stripes = stripes;
    this.rule = rule;
    this.kind = kind;
    this.layout = stripes.layout();
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
    return STRIPE;
  }

  @Override
  public long bytes() {
    return stripes.bytes();
  }

  @Override
  public String label() {
    return layout.label() + ", inputs " + rule.label();
  }

  @Override
  public void prepare(Input input) {
    var x = input.form(kind);
    if (!x.many()) {
      if (layout.bits() == 8) {
        x.makeFloats();
      } else {
        x.makePairs();
      }
    }
  }

  @Override
  public void multiply(Input input, int from, int to, MemorySegment out, long at, long stride) {
    var x = input.made(kind);
    if (!x.many()) {
      few(x, from, to, out, at, stride);
      return;
    }
    for (int first = 0; first < x.tokens(); first += TOKENS) {
      int count = Math.min(TOKENS, x.tokens() - first);
      for (int row = from; row < to; row += PanelProduct.ROWS) {
        many(x, first, count, row, to, out, at, stride);
      }
    }
  }

  private void few(VectorInput x, int from, int to, MemorySegment out, long at, long stride) {
    var scratch = CodeScratch.own();
    int tokens = x.tokens();
    int rows = Layout.ROWS;
    int unit = layout.unit();
    int units = layout.units(columns());
    int most = SPAN / layout.group() * rows;
    var sums = scratch.sums(2 * most);
    var scales = scratch.scales(2 * most);
    var minima = layout.sides().minima() ? scratch.minima(2 * most) : null;
    var results = scratch.results(2 * tokens * rows);
    var totals = scratch.totals(2 * tokens * rows);
    boolean plain = layout.sides() == Sides.ROW;
    for (int row = from; row < to; row += 2 * rows) {
      // Where there is no second stripe, the first is computed twice.
      int stripesHere = row + rows < to ? 2 : 1;
      long second = (stripesHere - 1) * stripes.stripeBytes();
      Arrays.fill(results, 0, 2 * tokens * rows, 0);
      Arrays.fill(totals, 0, 2 * tokens * rows, 0);
      for (int u = 0; u < units; u += SPAN / unit) {
        int count = Math.min(SPAN / unit, units - u);
        int groups = count * layout.groups();
        int column = u * unit;
        long w = row / rows * stripes.stripeBytes() + (long) u * layout.unitBytes();
        for (int t = 0; t < tokens; t++) {
          sum(x, t, w, second, count, column, sums, most);
          // After the codes, whose even stream has brought the sides along.
          for (int i = 0; t == 0 && i < stripesHere; i++) {
            for (int lane = 0; lane < rows; lane += LANES) {
              int to16 = i * most + lane;
              GroupSides.read(
                  layout, stripes.codes(), w + i * second, lane, count, scales, minima, to16, rows);
            }
          }
          for (int i = 0; i < stripesHere; i++) {
            int y = (2 * t + i) * rows;
            if (plain) {
              GroupProduct.total(groups, rows, sums, i * most, totals, y);
            } else {
              add(x, t, column, groups, sums, scales, minima, i * most, results, y);
            }
          }
        }
      }
      for (int t = 0; t < tokens; t++) {
        for (int i = 0; i < stripesHere; i++) {
          int first = row + i * rows;
          int end = Math.min(first + rows, to);
          int y = (2 * t + i) * rows;
          long o = at + t * stride + first;
          if (plain) {
            float a = x.scales()[t * x.blocks()];
            GroupProduct.finish(totals, y, a, stripes.factors(), first, end, out, o);
          } else {
            GroupProduct.finish(results, y, stripes.factors(), first, end, out, o);
          }
        }
      }
    }
  }

  /** Adds a span of a stripe for one token. */
  private void add(
      VectorInput x,
      int token,
      int column,
      int groups,
      float[] sums,
      float[] scales,
      float[] minima,
      int from,
      float[] results,
      int y) {
    int shift = layout.group() < Int8Input.BLOCK ? 1 : 0;
    int scale = token * x.blocks() + column / Int8Input.BLOCK;
    int product = (token * x.blocks() << shift) + column / layout.group();
    var products = x.products(layout.group());
    GroupProduct.add(
        groups,
        sums,
        scales,
        minima,
        from,
        shift,
        x.scales(),
        scale,
        products,
        product,
        results,
        y);
  }

  /** Sums of a span's groups for one token and two stripes. */
  private void sum(
      VectorInput x,
      int token,
      long at,
      long second,
      int units,
      int column,
      float[] sums,
      int other) {
    var codes = stripes.codes();
    int blocks = layout.unit() / Layout.COLUMNS;
    int bytes = layout.unitBytes();
    int first = token * x.padded() + column;
    boolean halves = layout.group() < Int8Input.BLOCK;
    switch (layout.bits()) {
      case 4 ->
          CodeSums.four(
              codes,
              at,
              second,
              units,
              blocks,
              bytes,
              halves,
              layout.offset(),
              x.pairs(),
              first / 2,
              x.halfSums(),
              first / 16,
              sums,
              other);
      case 6 ->
          CodeSums.six(codes, at, second, units, blocks, bytes, x.pairs(), first / 2, sums, other);
      default ->
          CodeSums.eight(
              codes, at, second, units, blocks, bytes, halves, x.floats(), first, sums, other);
    }
  }

  /** Tokens {@code [first, first + count)} of two vectors of rows. */
  private void many(
      VectorInput x,
      int first,
      int count,
      int row,
      int to,
      MemorySegment out,
      long at,
      long stride) {
    var scratch = CodeScratch.own();
    int rows = PanelProduct.ROWS;
    int step = PanelProduct.TOKENS;
    int tiles = Math.ceilDiv(count, step);
    int group = layout.group();
    boolean plain = layout.sides() == Sides.ROW;
    int unit = layout.unit();
    int units = layout.units(columns());
    int wide = Math.max(1, PANEL / unit);
    var panel = scratch.panel(wide * unit * rows);
    var scales = scratch.scales(wide * layout.groups() * rows);
    var minima = layout.sides().minima() ? scratch.minima(wide * layout.groups() * rows) : null;
    var results = scratch.results(tiles * step * rows);
    var totals = scratch.totals(tiles * step * rows);
    var products = x.products(group);
    Arrays.fill(results, 0, tiles * step * rows, 0);
    Arrays.fill(totals, 0, tiles * step * rows, 0);
    for (int u = 0; u < units; u += wide) {
      int some = Math.min(wide, units - u);
      for (int lane = 0; lane < rows && row + lane < to; lane += LANES) {
        fill(row + lane, u, some, panel, scales, minima, lane);
      }
      int column = u * unit;
      int groups = some * layout.groups();
      for (int tile = 0; tile < tiles; tile++) {
        int token = first + tile * step;
        int xAt = token * x.padded() + column * step;
        int y = tile * step * rows;
        if (plain) {
          PanelProduct.add(
              1, some * unit, panel, ONES, null, x.tiles(), xAt, ONES, 0, ONES, 0, results, y);
          GroupProduct.total(1, step * rows, results, y, totals, y);
          Arrays.fill(results, y, y + step * rows, 0);
          continue;
        }
        int scale = token * x.blocks() + column / Int8Input.BLOCK * step;
        int product = token * x.blocks() * (Int8Input.BLOCK / group) + column / group * step;
        PanelProduct.add(
            groups,
            group,
            panel,
            scales,
            minima,
            x.tiles(),
            xAt,
            x.scales(),
            scale,
            products,
            product,
            results,
            y);
      }
    }
    int end = Math.min(row + rows, to);
    for (int t = 0; t < count; t++) {
      long o = at + (first + t) * stride + row;
      if (plain) {
        int token = first + t;
        float a = x.scales()[token / step * step * x.blocks() + token % step];
        GroupProduct.finish(totals, t * rows, a, stripes.factors(), row, end, out, o);
      } else {
        GroupProduct.finish(results, t * rows, stripes.factors(), row, end, out, o);
      }
    }
  }

  /** A panel's columns and sides of one vector of rows. */
  private void fill(
      int row, int unit, int units, float[] panel, float[] scales, float[] minima, int lane) {
    int rows = PanelProduct.ROWS;
    int in = row % Layout.ROWS;
    var codes = stripes.codes();
    long at = row / Layout.ROWS * stripes.stripeBytes() + (long) unit * layout.unitBytes();
    GroupSides.read(layout, codes, at, in, units, scales, minima, lane, rows);
    for (int u = 0; u < units; u++, at += layout.unitBytes()) {
      int to = u * layout.unit() * rows + lane;
      Panel.fill(layout, codes, at, in, layout.unit() / Layout.COLUMNS, panel, to, rows);
    }
  }
}

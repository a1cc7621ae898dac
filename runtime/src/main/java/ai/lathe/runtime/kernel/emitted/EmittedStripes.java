package ai.lathe.runtime.kernel.emitted;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.InputForm;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.layout.Layout;
import ai.lathe.runtime.kernel.layout.PackedStripes;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Integer codes in stripes, multiplied by machine code. */
final class EmittedStripes implements PackedMatrix {

  /**
   * Weights that one call reads, where tokens are few: the garbage collector waits for the end of a
   * call.
   */
  private static final long CALL_BYTES = 512 << 10;

  private final PackedStripes stripes;
  private final Kernels kernels;
  private final InputForm.Kind<TiledInput> kind;

  /** Bytes from the first stripe's place in a panel to the second one's. */
  private final int secondStripe;

  EmittedStripes(PackedStripes stripes, Kernels kernels, InputForm.Kind<TiledInput> kind) {
    this.stripes = stripes;
    this.kernels = kernels;
    this.kind = kind;
    secondStripe = Panel.of(Tile.of(stripes.layout(), 1)).stripeBytes();
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
    return Panel.ROWS;
  }

  @Override
  public long bytes() {
    return stripes.bytes();
  }

  @Override
  public String label() {
    return stripes.label() + ", " + kind.name();
  }

  @Override
  public void prepare(Input input) {
    input.form(kind);
  }

  @Override
  public void multiply(Input input, int from, int to, MemorySegment out, long at, long stride) {
    var tiles = input.made(kind);
    if (from == to || tiles.tokens() == 0) {
      return;
    }
    check(input, from, to, out, at, stride);
    long target = out.address() + 4 * at;
    if (tiles.few()) {
      multiplyFew(tiles, from, to, target, 4 * stride);
    } else {
      multiplyMany(tiles, from, to, target, 4 * stride);
    }
  }

  private void multiplyFew(TiledInput tiles, int from, int to, long out, long strideBytes) {
    long bytes = Math.max(1, stripes.bytes() / stripes.count());
    int units = stripes.layout().units(stripes.columns());
    int end = Layout.stripes(to);
    int together = (int) Math.max(1, CALL_BYTES / bytes);
    for (int s = from / Layout.ROWS; s < end; s += together) {
      int count = Math.min(together, end - s);
      int lastRow = Layout.ROWS * (s + count - 1);
      kernels.multiplyStripes(
          tiles.tokens(),
          stripes.codes().address() + stripes.stripeAt(s),
          tiles.header(0),
          factors(s),
          out + 4L * Layout.ROWS * s,
          units,
          count,
          strideBytes,
          lanes(Math.min(Layout.ROWS, to - lastRow)));
    }
  }

  private void multiplyMany(TiledInput tiles, int from, int to, long out, long strideBytes) {
    var layout = stripes.layout();
    long panel = kernels.panel();
    int partsOfUnit = layout.unit() / Layout.COLUMNS;
    int chunks = tiles.chunks();
    for (int row = from; row < to; row += Panel.ROWS) {
      int stripe = row / Layout.ROWS;
      boolean two = row + Layout.ROWS < to;
      long first = stripes.codes().address() + stripes.stripeAt(stripe);
      long second = stripes.codes().address() + (two ? stripes.stripeAt(stripe + 1) : 0);
      long firstCodes = first + stripes.codesAt();
      long secondCodes = second + stripes.codesAt();
      int done = 0;
      long lanes = lanes(Math.min(Panel.ROWS, to - row));
      for (int chunk = 0; chunk < chunks; chunk++) {
        int parts = tiles.parts(chunk);
        int units = parts / partsOfUnit;
        firstCodes = unpack(first, firstCodes, done, units, panel);
        if (two) {
          secondCodes = unpack(second, secondCodes, done, units, panel + secondStripe);
        }
        done += units;
        int stage =
            (chunk == 0 ? PanelKernel.FIRST : 0) | (chunk == chunks - 1 ? PanelKernel.LAST : 0);
        // Tiles of two sizes.
        for (int tile = 0; tile < tiles.tiles(); ) {
          boolean larger = tile < tiles.larger();
          int next = larger ? tiles.larger() : tiles.tiles();
          int token = tiles.first(tile);
          kernels.multiplyPanel(
              larger ? tiles.size() + 1 : tiles.size(),
              panel,
              tiles.address(chunk, token),
              out + token * strideBytes + 4L * row,
              strideBytes,
              next - tile,
              parts,
              stage,
              lanes,
              factors(stripe),
              tiles.header(token));
          tile = next;
        }
      }
    }
  }

  /** Units of a stripe from {@code done} on; returns where the codes of the next one are. */
  private long unpack(long stripe, long codes, int done, int units, long panel) {
    long weights = stripe + (long) done * stripes.headBytes();
    long sides = stripe + stripes.sidesAt() + (long) done * stripes.sideBytes();
    return kernels.unpack(weights, panel, units, sides, codes);
  }

  private long factors(int stripe) {
    return stripes.factors().address() + 4L * Layout.ROWS * stripe;
  }

  private static long lanes(int rows) {
    return (1L << rows) - 1;
  }

  /** What machine code does not: a mistake would overwrite foreign memory. */
  private void check(Input input, int from, int to, MemorySegment out, long at, long stride) {
    if (from < 0 || from % Panel.ROWS != 0 || to < from || to > stripes.rows()) {
      throw new IndexOutOfBoundsException(
          "rows %d to %d of %d".formatted(from, to, stripes.rows()));
    }
    if (to % Panel.ROWS != 0 && to != stripes.rows()) {
      throw new IndexOutOfBoundsException("rows end within two stripes, at " + to);
    }
    if (input.columns() != stripes.columns()) {
      throw new IllegalArgumentException(
          "an input of %d columns for %d".formatted(input.columns(), stripes.columns()));
    }
    if (!out.isNative() || out.isReadOnly()) {
      throw new IllegalArgumentException("results go to memory outside the heap");
    }
    long last = at + (input.tokens() - 1) * stride + to;
    if (at < 0 || stride < 0 || last > out.byteSize() / ValueLayout.JAVA_FLOAT.byteSize()) {
      throw new IndexOutOfBoundsException(
          "results up to element %d of %d".formatted(last, out.byteSize() / 4));
    }
    if (!out.scope().isAlive() || !stripes.codes().scope().isAlive()) {
      throw new IllegalStateException("the memory of weights or results is closed");
    }
  }
}

package ai.lathe.runtime.kernel.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.memory.Pages;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Floats in panels of as many rows as two vectors have lanes (32 with AVX-512), of which only the
 * columns are kept that are zero in some of these rows at most. So all columns that blocks of such
 * a number of rows leave out are left out, in decoding and with many tokens alike; other zeros are
 * kept.
 */
final class SparsePanels implements PackedMatrix {

  private static final int WIDTH = PanelKernel.WIDTH;

  /** Most floats of panels that wait in a second-level cache for the tokens. */
  private static final int CACHED = 1 << 18;

  private final int rows;
  private final int columns;
  private final boolean halves;

  /** The columns of all panels, one after the other; a panel's begin at its start. */
  private final int[] index;

  private final int[] starts;

  /** {@code [columns that are there][WIDTH]}, float32 or bfloat16. */
  private final MemorySegment values;

  /** BF16 stays as it is; F16 becomes float32. */
  SparsePanels(Sparse weight, Arena arena) {
    rows = weight.rows();
    columns = weight.columns();
    halves = ((Sparse.Values.Floats) weight.values()).kept().dtype() == DType.BF16;
    int panels = Math.ceilDiv(rows, WIDTH);
    starts = new int[panels + 1];
    index = new int[Math.toIntExact(columns(weight.mask()))];
    int bytes = halves ? Short.BYTES : Float.BYTES;
    values = Pages.allocate((long) index.length * WIDTH * bytes, arena);
    var some = new float[WIDTH * columns];
    for (int p = 0; p < panels; p++) {
      int first = p * WIDTH;
      int count = Math.min(WIDTH, rows - first);
      Arrays.fill(some, 0);
      weight.decodeRows(first, first + count, some, 0);
      starts[p + 1] = starts[p];
      for (int word = 0; word < weight.mask().words(); word++) {
        for (long left = any(weight.mask(), first, word); left != 0; left &= left - 1) {
          int column = 64 * word + Long.numberOfTrailingZeros(left);
          write(some, column, starts[p + 1]);
          index[starts[p + 1]++] = column;
        }
      }
    }
  }

  private void write(float[] some, int column, int place) {
    for (int r = 0; r < WIDTH; r++) {
      float value = some[r * columns + column];
      long at = (long) place * WIDTH + r;
      if (halves) {
        values.set(JAVA_SHORT_UNALIGNED, at * Short.BYTES, Tensor.floatToBFloat16(value));
      } else {
        values.set(JAVA_FLOAT_UNALIGNED, at * Float.BYTES, value);
      }
    }
  }

  /** The share of weights that panels keep. */
  static double share(Mask mask) {
    long all = (long) Math.ceilDiv(mask.rows(), WIDTH) * mask.columns();
    return all == 0 ? 1 : columns(mask) / (double) all;
  }

  /** Columns that panels keep, all panels together. */
  private static long columns(Mask mask) {
    long kept = 0;
    for (int first = 0; first < mask.rows(); first += WIDTH) {
      for (int word = 0; word < mask.words(); word++) {
        kept += Long.bitCount(any(mask, first, word));
      }
    }
    return kept;
  }

  /** Which of 64 columns one of a panel's rows keeps. */
  private static long any(Mask mask, int first, int word) {
    long any = 0;
    for (int row = first; row < Math.min(first + WIDTH, mask.rows()); row++) {
      any |= mask.word(row, word);
    }
    return any;
  }

  @Override
  public int rows() {
    return rows;
  }

  @Override
  public int columns() {
    return columns;
  }

  @Override
  public int stripe() {
    return WIDTH;
  }

  @Override
  public long bytes() {
    return values.byteSize() + (long) Integer.BYTES * (index.length + starts.length);
  }

  @Override
  public String label() {
    return "%s, %.0f %% of the columns of each %d rows, inputs float32"
        .formatted(
            halves ? "BF16" : "F32",
            100.0 * index.length / Math.max(1, (starts.length - 1) * (long) columns),
            WIDTH);
  }

  @Override
  public void prepare(Input input) {
    if (input.tokens() > 1) {
      input.form(TokenTiles.NARROW);
    }
  }

  @Override
  public void multiply(Input input, int from, int to, MemorySegment out, long at, long stride) {
    if (input.tokens() == 1) {
      single(input.values(), from, to, out, at);
    } else {
      many(input.made(TokenTiles.NARROW), from, to, out, at, stride);
    }
  }

  private void single(MemorySegment values, int from, int to, MemorySegment out, long at) {
    var scratch = Scratch.get();
    var x = scratch.rows(columns);
    MemorySegment.copy(values, JAVA_FLOAT_UNALIGNED, 0, x, 0, columns);
    for (int row = from; row < to; row += WIDTH) {
      int p = row / WIDTH;
      long w = valuesAt(p);
      if (halves) {
        SparsePanelKernel.halves(index, starts[p], starts[p + 1], this.values, w, x, scratch.tile);
      } else {
        SparsePanelKernel.floats(index, starts[p], starts[p + 1], this.values, w, x, scratch.tile);
      }
      store(scratch.tile, 0, Math.min(WIDTH, to - row), out, at + row);
    }
  }

  private long valuesAt(int panel) {
    return (long) starts[panel] * WIDTH * (halves ? Short.BYTES : Float.BYTES);
  }

  private void many(TokenTiles x, int from, int to, MemorySegment out, long at, long stride) {
    var scratch = Scratch.get();
    int end = Math.ceilDiv(to, WIDTH);
    int last;
    for (int first = from / WIDTH; first < end; first = last) {
      last = first + 1;
      while (last < end && (starts[last + 1] - starts[first]) * (long) WIDTH <= CACHED) {
        last++;
      }
      var panels = scratch.panels((starts[last] - starts[first]) * WIDTH);
      decode(first, last, panels);
      for (int t = 0; t < x.tokens(); t += PanelKernel.BROADCAST) {
        int tokens = Math.min(PanelKernel.BROADCAST, x.tokens() - t);
        for (int p = first; p < last; p++) {
          int panelAt = (starts[p] - starts[first]) * WIDTH;
          SparsePanelKernel.multiply(
              index,
              starts[p],
              starts[p + 1],
              panels,
              panelAt,
              x.values(),
              t * columns,
              scratch.tile);
          int row = p * WIDTH;
          for (int i = 0; i < tokens; i++) {
            long o = at + (t + i) * stride + row;
            store(scratch.tile, i * WIDTH, Math.min(WIDTH, to - row), out, o);
          }
        }
      }
    }
  }

  private void decode(int first, int last, float[] panels) {
    int count = (starts[last] - starts[first]) * WIDTH;
    long from = valuesAt(first);
    if (!halves) {
      MemorySegment.copy(values, JAVA_FLOAT_UNALIGNED, from, panels, 0, count);
      return;
    }
    for (int i = 0; i < count; i++) {
      int upper = values.get(JAVA_SHORT_UNALIGNED, from + (long) i * Short.BYTES) << 16;
      panels[i] = Float.intBitsToFloat(upper);
    }
  }

  private static void store(float[] tile, int from, int count, MemorySegment out, long at) {
    MemorySegment.copy(tile, from, out, JAVA_FLOAT_UNALIGNED, at * Float.BYTES, count);
  }
}

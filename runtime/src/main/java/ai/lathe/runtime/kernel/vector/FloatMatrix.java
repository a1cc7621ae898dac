package ai.lathe.runtime.kernel.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.PackedMatrix;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Float32 products of rows that stay as they are stored, in one of three ways. A token or two read
 * the rows where they are. A few tokens are turned into panels, which decoded rows are broadcast
 * over: nothing is done to the weights. For many, it is worth turning the rows into panels, which
 * leaves results in the order that is wanted, and tokens are broadcast.
 */
final class FloatMatrix implements PackedMatrix {

  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = SPECIES.length();

  /** Most tokens that are turned into panels, */
  private static final int FEW = 128;

  /** and most floats of these panels: half of a second-level cache. */
  private static final int PANELS = 1 << 18;

  /** Bytes of rows that stay in a cache until the next token reads them. */
  private static final int REREAD = 1 << 18;

  private final FloatRows rows;

  FloatMatrix(FloatRows rows) {
    this.rows = rows;
  }

  @Override
  public int rows() {
    return rows.rows();
  }

  @Override
  public int columns() {
    return rows.columns();
  }

  @Override
  public int stripe() {
    return PanelKernel.WIDTH;
  }

  @Override
  public int stripe(int tokens) {
    return single(tokens) ? rows.stripe() : stripe();
  }

  @Override
  public long bytes() {
    return rows.bytes();
  }

  @Override
  public String label() {
    return rows.label() + ", inputs float32";
  }

  private boolean single(int tokens) {
    return tokens <= rows.single();
  }

  private boolean few(int tokens) {
    return tokens <= PanelKernel.WIDTH || tokens <= FEW && (long) tokens * rows.columns() <= PANELS;
  }

  @Override
  public void prepare(Input input) {
    int tokens = input.tokens();
    if (!single(tokens)) {
      input.form(few(tokens) ? TokenTiles.WIDE : TokenTiles.NARROW);
    }
  }

  @Override
  public void multiply(Input input, int from, int to, MemorySegment out, long at, long stride) {
    int tokens = input.tokens();
    if (single(tokens)) {
      single(input, from, to, out, at, stride);
    } else if (few(tokens)) {
      tokenPanels(input.made(TokenTiles.WIDE), from, to, out, at, stride);
    } else {
      weightPanels(input.made(TokenTiles.NARROW), from, to, out, at, stride);
    }
  }

  private void single(Input input, int from, int to, MemorySegment out, long at, long stride) {
    int columns = rows.columns();
    if (rows.decodesFor(input.tokens())) {
      decoded(input, from, to, out, at, stride);
      return;
    }
    if (input.tokens() == 1) {
      rows.multiply(from, to, input.values(), 0, out, at);
      return;
    }
    long reread = REREAD * (long) rows.rows() / Math.max(1, rows.bytes());
    int step = (int) Math.clamp(reread, 1, Integer.MAX_VALUE / 8) * 4;
    for (int first = from, last; first < to; first = last) {
      last = (int) Math.min((long) first + step, to);
      for (int t = 0; t < input.tokens(); t++) {
        rows.multiply(first, last, input.values(), (long) t * columns, out, at + t * stride);
      }
    }
  }

  /** A few rows are decoded for all tokens, which then read them as stored float32. */
  private void decoded(Input input, int from, int to, MemorySegment out, long at, long stride) {
    int columns = rows.columns();
    var scratch = Scratch.get();
    var some = scratch.decoded(columns);
    var row = scratch.rows(columns);
    for (int first = from; first < to; first += Scratch.DECODED) {
      int count = Math.min(Scratch.DECODED, to - first);
      for (int i = 0; i < count; i++) {
        rows.unpack(first + i, 0, columns, row, 0);
        MemorySegment.copy(row, 0, some.data(), JAVA_FLOAT_UNALIGNED, 4L * i * columns, columns);
      }
      for (int t = 0; t < input.tokens(); t++) {
        long o = at + t * stride + first;
        some.multiply(0, count, input.values(), (long) t * columns, out, o);
      }
    }
  }

  private void tokenPanels(
      TokenTiles x, int from, int to, MemorySegment out, long at, long stride) {
    int columns = rows.columns();
    var scratch = Scratch.get();
    var decoded = scratch.rows(PanelKernel.BROADCAST * columns);
    var tile = scratch.tile;
    for (int row = from; row < to; row += PanelKernel.BROADCAST) {
      int count = Math.min(PanelKernel.BROADCAST, to - row);
      for (int i = 0; i < PanelKernel.BROADCAST; i++) {
        // At the end the last row is computed again and not kept.
        rows.unpack(row + Math.min(i, count - 1), 0, columns, decoded, i * columns);
      }
      for (int t = 0; t < x.tokens(); t += x.width()) {
        int tokens = Math.min(x.width(), x.tokens() - t);
        if (x.width() == LANES) {
          PanelKernel.multiplyRowsNarrow(columns, x.values(), t * columns, decoded, tile);
        } else {
          PanelKernel.multiplyRows(columns, x.values(), t * columns, decoded, tile);
        }
        for (int j = 0; j < tokens; j++) {
          long first = (at + (t + j) * stride + row) * Float.BYTES;
          for (int i = 0; i < count; i++) {
            float sum = tile[i * x.width() + j];
            out.set(JAVA_FLOAT_UNALIGNED, first + (long) i * Float.BYTES, sum);
          }
        }
      }
    }
  }

  private void weightPanels(
      TokenTiles x, int from, int to, MemorySegment out, long at, long stride) {
    int columns = rows.columns();
    int panel = PanelKernel.WIDTH * columns;
    int count = Math.max(1, Math.ceilDiv(to - from, PanelKernel.WIDTH));
    int passes = Math.ceilDiv(count, Math.max(1, PANELS / panel));
    int step = Math.ceilDiv(count, passes) * PanelKernel.WIDTH;
    var scratch = Scratch.get();
    var panels = scratch.panels(step * columns);
    for (int first = from; first < to; first += step) {
      int last = Math.min(first + step, to);
      for (int row = first; row < last; row += PanelKernel.WIDTH) {
        turn(row, Math.min(PanelKernel.WIDTH, last - row), panels, (row - first) * columns);
      }
      for (int t = 0; t < x.tokens(); t += PanelKernel.BROADCAST) {
        int tokens = Math.min(PanelKernel.BROADCAST, x.tokens() - t);
        for (int row = first; row < last; row += PanelKernel.WIDTH) {
          int panelAt = (row - first) * columns;
          PanelKernel.multiply(columns, panels, panelAt, x.values(), t * columns, scratch.tile);
          int kept = Math.min(PanelKernel.WIDTH, last - row);
          store(scratch.tile, tokens, kept, out, at + t * stride + row, stride);
        }
      }
    }
  }

  /** Decodes rows into a panel. */
  private void turn(int row, int count, float[] panels, int at) {
    int columns = rows.columns();
    var decoded = Scratch.get().rows(Panels.space(PanelKernel.WIDTH));
    for (int from = 0; from < columns; from += Panels.COLUMNS) {
      int width = Math.min(Panels.COLUMNS, columns - from);
      for (int i = 0; i < count; i++) {
        rows.unpack(row + i, from, from + width, decoded, i * Panels.COLUMNS);
      }
      int to = at + from * PanelKernel.WIDTH;
      Panels.turn(decoded, count, width, panels, to, PanelKernel.WIDTH);
    }
  }

  private static void store(
      float[] tile, int tokens, int count, MemorySegment out, long at, long stride) {
    for (int t = 0; t < tokens; t++) {
      int from = t * PanelKernel.WIDTH;
      long to = (at + t * stride) * Float.BYTES;
      if (count == PanelKernel.WIDTH) {
        FloatVector.fromArray(SPECIES, tile, from).intoMemorySegment(out, to, LITTLE_ENDIAN);
        FloatVector.fromArray(SPECIES, tile, from + LANES)
            .intoMemorySegment(out, to + (long) LANES * Float.BYTES, LITTLE_ENDIAN);
      } else {
        MemorySegment.copy(tile, from, out, JAVA_FLOAT_UNALIGNED, to, count);
      }
    }
  }
}

package ai.lathe.runtime.kernel.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.PackedMatrix;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Float32 products of rows that stay as they are stored. One token reads each row once; a few
 * tokens are dotted with a few decoded rows at a time; many are multiplied by panels, rows decoded
 * and turned so that one column of all of them is two vectors.
 */
final class FloatMatrix implements PackedMatrix {

  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = SPECIES.length();

  /** Most tokens for which turning rows into panels is not worth its time. */
  private static final int FEW = 24;

  /** Floats of the panels that one pass over the tokens reads: half of a second-level cache. */
  private static final int PANELS = 1 << 18;

  /** Columns that are decoded before they are turned; with a panel's rows, a first-level cache. */
  private static final int TURNED = 128;

  /** Of one thread. */
  private static final class Scratch {
    float[] rows = new float[0];
    float[] panels = new float[0];
    final float[] tile = new float[PanelKernel.TOKENS * PanelKernel.ROWS];
  }

  private static final ThreadLocal<Scratch> SCRATCH = ThreadLocal.withInitial(Scratch::new);

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
    return PanelKernel.ROWS;
  }

  @Override
  public long bytes() {
    return rows.bytes();
  }

  @Override
  public String label() {
    return rows.label() + ", inputs float32";
  }

  @Override
  public void prepare(Input input) {
    if (input.tokens() > FEW) {
      input.form(TokenTiles.KIND);
    }
  }

  @Override
  public void multiply(Input input, int from, int to, MemorySegment out, long at, long stride) {
    if (input.tokens() == 1) {
      rows.multiply(from, to, input.values(), out, at);
    } else if (input.tokens() <= FEW) {
      dots(input, from, to, out, at, stride);
    } else {
      panels(input.made(TokenTiles.KIND), from, to, out, at, stride);
    }
  }

  private void dots(Input input, int from, int to, MemorySegment out, long at, long stride) {
    int columns = rows.columns();
    var scratch = SCRATCH.get();
    if (scratch.rows.length < DotKernel.ROWS * columns) {
      scratch.rows = new float[DotKernel.ROWS * columns];
    }
    for (int row = from; row < to; row += DotKernel.ROWS) {
      int count = Math.min(DotKernel.ROWS, to - row);
      for (int i = 0; i < DotKernel.ROWS; i++) {
        // What is over is computed again and not kept.
        rows.unpack(row + Math.min(i, count - 1), 0, columns, scratch.rows, i * columns);
      }
      for (int t = 0; t < input.tokens(); t += DotKernel.TOKENS) {
        int tokens = Math.min(DotKernel.TOKENS, input.tokens() - t);
        DotKernel.multiply(columns, scratch.rows, input.values(), t, tokens, scratch.tile);
        for (int j = 0; j < tokens; j++) {
          for (int i = 0; i < count; i++) {
            out.set(
                JAVA_FLOAT_UNALIGNED,
                (at + (t + j) * stride + row + i) * Float.BYTES,
                scratch.tile[j * DotKernel.ROWS + i]);
          }
        }
      }
    }
  }

  private void panels(TokenTiles x, int from, int to, MemorySegment out, long at, long stride) {
    int columns = rows.columns();
    int panel = PanelKernel.ROWS * columns;
    int panels =
        Math.clamp(Math.ceilDiv(to - from, PanelKernel.ROWS), 1, Math.max(1, PANELS / panel));
    var scratch = SCRATCH.get();
    if (scratch.panels.length < panels * panel) {
      scratch.panels = new float[panels * panel];
    }
    if (scratch.rows.length < PanelKernel.ROWS * TURNED) {
      scratch.rows = new float[PanelKernel.ROWS * TURNED];
    }
    for (int first = from; first < to; first += panels * PanelKernel.ROWS) {
      int last = Math.min(first + panels * PanelKernel.ROWS, to);
      for (int row = first; row < last; row += PanelKernel.ROWS) {
        int count = Math.min(PanelKernel.ROWS, last - row);
        unpack(row, count, scratch, (row - first) * columns);
      }
      for (int t = 0; t < x.tokens(); t += PanelKernel.TOKENS) {
        int tokens = Math.min(PanelKernel.TOKENS, x.tokens() - t);
        for (int row = first; row < last; row += PanelKernel.ROWS) {
          PanelKernel.multiply(
              columns,
              scratch.panels,
              (row - first) * columns,
              x.values(),
              t * columns,
              scratch.tile);
          int count = Math.min(PanelKernel.ROWS, last - row);
          store(scratch.tile, tokens, count, out, at + t * stride + row, stride);
        }
      }
    }
  }

  /** A panel {@code [columns][rows]}, of zeros where there are no more rows. */
  private void unpack(int row, int count, Scratch scratch, int at) {
    int columns = rows.columns();
    var decoded = scratch.rows;
    var panel = scratch.panels;
    if (count < PanelKernel.ROWS) {
      Arrays.fill(panel, at, at + PanelKernel.ROWS * columns, 0);
    }
    for (int from = 0; from < columns; from += TURNED) {
      int width = Math.min(TURNED, columns - from);
      for (int i = 0; i < count; i++) {
        rows.unpack(row + i, from, from + width, decoded, i * TURNED);
      }
      turn(decoded, width, count, panel, at + from * PanelKernel.ROWS);
    }
  }

  /** By pieces of a cache line of each row. */
  private static void turn(float[] decoded, int width, int count, float[] panel, int at) {
    for (int from = 0; from < width; from += 16) {
      int to = Math.min(from + 16, width);
      for (int i = 0; i < count; i++) {
        for (int k = from; k < to; k++) {
          panel[at + k * PanelKernel.ROWS + i] = decoded[i * TURNED + k];
        }
      }
    }
  }

  private static void store(
      float[] tile, int tokens, int count, MemorySegment out, long at, long stride) {
    for (int t = 0; t < tokens; t++) {
      int from = t * PanelKernel.ROWS;
      long to = (at + t * stride) * Float.BYTES;
      if (count == PanelKernel.ROWS) {
        FloatVector.fromArray(SPECIES, tile, from).intoMemorySegment(out, to, LITTLE_ENDIAN);
        FloatVector.fromArray(SPECIES, tile, from + LANES)
            .intoMemorySegment(out, to + (long) LANES * Float.BYTES, LITTLE_ENDIAN);
      } else {
        MemorySegment.copy(tile, from, out, JAVA_FLOAT_UNALIGNED, to, count);
      }
    }
  }
}

package ai.lathe.runtime.kernel.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.composite.Composites;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.ModeMatrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Rows that read few inputs: of a factor of low rank, or of blocks along a diagonal. Lanes are
 * rows, so that none are summed at the end of a row, which would take longer than the row itself.
 *
 * <p>Rows stand in panels of {@link #LANES} that read the same inputs, an input after the other,
 * float32; a panel that a block does not fill ends with zeros.
 */
final class ShortRows implements PackedMatrix {

  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = SPECIES.length();

  private final String label;
  private final int rows;
  private final int columns;

  /** Sets of rows with weights of their own: one, or as many as there are sets. */
  private final int blocks;

  /** Rows of a set, which read the same inputs, */
  private final int tall;

  /** how many of these; those of the next set follow. */
  private final int depth;

  private final int panels;
  private final MemorySegment data;

  private ShortRows(String label, int sets, int blocks, int tall, int depth, Arena arena) {
    this.label = label;
    this.rows = sets * tall;
    this.columns = sets * depth;
    this.blocks = blocks;
    this.tall = tall;
    this.depth = depth;
    this.panels = Math.ceilDiv(tall, LANES);
    long floats = Math.multiplyExact((long) blocks * panels * LANES, depth);
    this.data = arena.allocate(floats * Float.BYTES, 64);
  }

  /** Of a matrix with at most {@link Composites#SHORT} columns. */
  static ShortRows of(Dense weight, Arena arena) {
    int rows = weight.rows();
    int depth = weight.columns();
    var label = weight.encoding().label() + " as float32 in panels, inputs float32";
    var matrix = new ShortRows(label, 1, 1, rows, depth, arena);
    matrix.put(weight.tensor().toFloats());
    return matrix;
  }

  /**
   * Of blocks along the diagonal.
   *
   * @param weight with an inner index of size 1
   * @param label of what it was stored as
   */
  static ShortRows of(ModeMatrix weight, String label, Arena arena) {
    var kept = label + " as float32 in panels, inputs float32";
    int blocks = weight.ofOuter() ? weight.outer() : 1;
    var matrix = new ShortRows(kept, weight.outer(), blocks, weight.high(), weight.wide(), arena);
    matrix.put(weight.blocks().decode().values());
    return matrix;
  }

  /**
   * @param values {@code [blocks * tall, depth]}
   */
  private void put(float[] values) {
    for (int row = 0; row < blocks * tall; row++) {
      for (int k = 0; k < depth; k++) {
        data.set(
            JAVA_FLOAT_UNALIGNED,
            panel(row) + ((long) k * LANES + row % tall % LANES) * Float.BYTES,
            values[row * depth + k]);
      }
    }
  }

  /** Where the panel of a row begins, in bytes. */
  private long panel(int row) {
    return ((long) (row / tall % blocks) * panels + row % tall / LANES)
        * LANES
        * depth
        * Float.BYTES;
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
    return rows == tall ? LANES : tall;
  }

  @Override
  public long bytes() {
    return data.byteSize();
  }

  @Override
  public String label() {
    return label;
  }

  @Override
  public void prepare(Input input) {}

  @Override
  public void multiply(Input input, int from, int to, MemorySegment out, long at, long stride) {
    var x = input.values();
    var lanes = Scratch.get().lanes;
    int ahead = depth & -4;
    for (int row = from; row < to; ) {
      int end = Math.min(Math.min(row + LANES, to), (row / tall + 1) * tall);
      long w = panel(row);
      long start = (long) (row / tall) * depth;
      for (int t = 0; t < input.tokens(); t++) {
        long xAt = ((long) t * columns + start) * Float.BYTES;
        var a = FloatVector.zero(SPECIES);
        var b = FloatVector.zero(SPECIES);
        var c = FloatVector.zero(SPECIES);
        var d = FloatVector.zero(SPECIES);
        for (int k = 0; k < ahead; k += 4) {
          long p = w + (long) k * LANES * Float.BYTES;
          long q = xAt + (long) k * Float.BYTES;
          a =
              FloatVector.fromMemorySegment(SPECIES, data, p, LITTLE_ENDIAN)
                  .fma(FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT_UNALIGNED, q)), a);
          b =
              FloatVector.fromMemorySegment(SPECIES, data, p + LANES * 4L, LITTLE_ENDIAN)
                  .fma(FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT_UNALIGNED, q + 4)), b);
          c =
              FloatVector.fromMemorySegment(SPECIES, data, p + LANES * 8L, LITTLE_ENDIAN)
                  .fma(FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT_UNALIGNED, q + 8)), c);
          d =
              FloatVector.fromMemorySegment(SPECIES, data, p + LANES * 12L, LITTLE_ENDIAN)
                  .fma(FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT_UNALIGNED, q + 12)), d);
        }
        for (int k = ahead; k < depth; k++) {
          a =
              FloatVector.fromMemorySegment(
                      SPECIES, data, w + (long) k * LANES * Float.BYTES, LITTLE_ENDIAN)
                  .fma(
                      FloatVector.broadcast(
                          SPECIES, x.get(JAVA_FLOAT_UNALIGNED, xAt + (long) k * Float.BYTES)),
                      a);
        }
        var sum = a.add(b).add(c.add(d));
        long to0 = (at + t * stride + row) * Float.BYTES;
        if (end - row == LANES) {
          sum.intoMemorySegment(out, to0, LITTLE_ENDIAN);
        } else {
          sum.intoArray(lanes, 0);
          for (int i = 0; i < end - row; i++) {
            out.set(JAVA_FLOAT_UNALIGNED, to0 + (long) i * Float.BYTES, lanes[i]);
          }
        }
      }
      row = end;
    }
  }
}

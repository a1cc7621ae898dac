package ai.lathe.runtime.kernel.sparse;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import ai.lathe.runtime.kernel.layout.Layout;
import ai.lathe.runtime.kernel.layout.Sides;
import ai.lathe.runtime.kernel.layout.Stripes;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Stripes of 8-bit codes by channel, without those blocks of 16 rows and 4 columns that are zero. A
 * block is a vector of {@link Layout}: lane {@code r} is row {@code r}, its four bytes are the
 * columns.
 *
 * <p><b>A stripe</b> begins at a multiple of 64 bytes: a number {@code n} of 16 bits; the indices
 * of {@code 4n} blocks, 16 bits each, block {@code b} beginning at column {@code 4b}, in order;
 * nothing up to the next multiple of 64; then these blocks. They are all that are not zero, and as
 * many others as make their number a multiple of four, which columns in multiples of 64 always
 * have.
 *
 * @param layout of 8 bits and {@link Sides#ROW}
 * @param rows output features
 * @param columns input features, at most {@link #MOST_COLUMNS}
 * @param codes all stripes
 * @param starts where each stripe begins, and where one more would
 * @param factors see {@link Stripes}
 * @param blocks that are there
 */
public record UnitStripes(
    Layout layout,
    int rows,
    int columns,
    MemorySegment codes,
    long[] starts,
    MemorySegment factors,
    long blocks)
    implements CompactStripes {

  /** Blocks that kernels take in one turn. */
  public static final int TURN = 4;

  /** Bytes of a block. */
  public static final int BLOCK = 64;

  /** Columns of a block. */
  static final int WIDTH = 4;

  /** What indices of 16 bits reach. */
  static final int MOST_COLUMNS = WIDTH << Short.SIZE;

  /** From the begin of a stripe to its indices. */
  public static final int INDICES = Short.BYTES;

  /** From the begin of a stripe of so many turns to its blocks. */
  public static int blocksAt(int turns) {
    return (INDICES + turns * TURN * Short.BYTES + BLOCK - 1) & -BLOCK;
  }

  /** Turns of the stripe that begins there. */
  public static int turns(MemorySegment codes, long at) {
    return Short.toUnsignedInt(codes.get(JAVA_SHORT, at));
  }

  @Override
  public long stripeAt(int stripe) {
    return starts[stripe];
  }

  @Override
  public long bytes() {
    return starts[starts.length - 1] + factors.byteSize();
  }

  @Override
  public String label() {
    double all = (double) count() * layout.units(columns) * (Layout.COLUMNS / WIDTH);
    return "%s, %.0f %% of them in blocks of 16x4".formatted(layout.label(), 100 * blocks / all);
  }

  /** Without the zeros of these stripes. */
  public static UnitStripes of(Stripes dense, Arena arena) {
    long there = 0;
    for (long at = 0; at < dense.codes().byteSize(); at += BLOCK) {
      there += isZero(dense.codes(), at) ? 0 : 1;
    }
    var writer = new UnitWriter(dense.layout(), dense.rows(), dense.columns(), there, arena);
    writer.add(dense);
    return writer.finish();
  }

  static boolean isZero(MemorySegment codes, long at) {
    long any = 0;
    for (int part = 0; part < BLOCK; part += Long.BYTES) {
      any |= codes.get(JAVA_LONG, at + part);
    }
    return any == 0;
  }

  @Override
  public void expand(int stripe, MemorySegment target, long at) {
    long bytes = layout.stripeBytes(columns);
    for (long i = 0; i < bytes; i += Long.BYTES) {
      target.set(JAVA_LONG, at + i, 0);
    }
    long start = starts[stripe];
    int turns = turns(codes, start);
    long from = start + blocksAt(turns);
    for (int i = 0; i < turns * TURN; i++, from += BLOCK) {
      int index = Short.toUnsignedInt(codes.get(JAVA_SHORT, start + INDICES + 2L * i));
      MemorySegment.copy(codes, from, target, at + (long) index * BLOCK, BLOCK);
    }
  }
}

package ai.lathe.runtime.kernel.sparse;

import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import ai.lathe.runtime.kernel.layout.Layout;
import ai.lathe.runtime.kernel.layout.Stripes;
import ai.lathe.runtime.kernel.memory.Pages;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Writes {@link UnitStripes}, some rows after the other. */
final class UnitWriter {

  private static final int BLOCK = UnitStripes.BLOCK;

  private final Layout layout;
  private final int rows;
  private final int columns;
  private final MemorySegment codes;
  private final MemorySegment factors;
  private final long[] starts;
  private int stripe;
  private long at;
  private long blocks;

  /**
   * @param most blocks that are no zeros, or more
   */
  UnitWriter(Layout layout, int rows, int columns, long most, Arena arena) {
    this.layout = layout;
    this.rows = rows;
    this.columns = columns;
    int stripes = Layout.stripes(rows);
    // Each stripe may be filled up to whole turns, and so may its indices to a whole line.
    long all = Math.addExact(most, (long) stripes * (UnitStripes.TURN - 1));
    long heads = Math.multiplyExact(all, Short.BYTES) + 2L * BLOCK * stripes;
    codes = Pages.allocate(Math.addExact(Math.multiplyExact(all, BLOCK), heads), arena);
    factors = arena.allocate((long) stripes * Layout.ROWS * Float.BYTES, 64);
    starts = new long[stripes + 1];
  }

  /** The rows that come next; whole stripes, but for the last ones. */
  void add(Stripes dense) {
    MemorySegment.copy(
        dense.factors(),
        0,
        factors,
        (long) stripe * Layout.ROWS * Float.BYTES,
        (long) dense.count() * Layout.ROWS * Float.BYTES);
    for (int s = 0; s < dense.count(); s++) {
      stripe(dense.codes(), dense.stripeAt(s));
      starts[++stripe] = at;
    }
  }

  private void stripe(MemorySegment dense, long from) {
    int all = (int) (layout.stripeBytes(columns) / BLOCK);
    int there = 0;
    for (int b = 0; b < all; b++) {
      there += UnitStripes.isZero(dense, from + (long) b * BLOCK) ? 0 : 1;
    }
    int zeros = -there & UnitStripes.TURN - 1;
    int turns = (there + zeros) / UnitStripes.TURN;
    codes.set(JAVA_SHORT, at, (short) turns);
    long index = at + UnitStripes.INDICES;
    long next = at + UnitStripes.blocksAt(turns);
    for (int b = 0; b < all; b++) {
      long block = from + (long) b * BLOCK;
      if (!UnitStripes.isZero(dense, block) || zeros-- > 0) {
        codes.set(JAVA_SHORT, index, (short) b);
        MemorySegment.copy(dense, block, codes, next, BLOCK);
        index += Short.BYTES;
        next += BLOCK;
      }
    }
    blocks += (long) turns * UnitStripes.TURN;
    at = next;
  }

  UnitStripes finish() {
    return new UnitStripes(layout, rows, columns, codes, starts, factors, blocks);
  }
}

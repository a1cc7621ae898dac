package ai.lathe.runtime.kernel.sparse;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import ai.lathe.runtime.kernel.layout.Layout;
import ai.lathe.runtime.kernel.layout.Stripes;
import ai.lathe.runtime.kernel.memory.Pages;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Writes {@link SparseStripes}, some rows after the other. */
final class SparseWriter {

  private static final int VECTOR = 64;

  private final Layout layout;
  private final int rows;
  private final int columns;
  private final MemorySegment codes;
  private final MemorySegment factors;
  private final long[] starts;
  private int stripe;
  private long at;
  private long kept;

  /**
   * @param kept codes that are no zeros, or more
   */
  SparseWriter(Layout layout, int rows, int columns, long kept, Arena arena) {
    this.layout = layout;
    this.rows = rows;
    this.columns = columns;
    int stripes = Layout.stripes(rows);
    int unit = SparseStripes.MASKS + SparseStripes.sideBytes(layout);
    long heads = stripes * ((long) layout.units(columns) * unit + SparseStripes.ALIGNMENT);
    codes = Pages.allocate(Math.addExact(heads, kept) + SparseStripes.SLACK, arena);
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
    int units = layout.units(columns);
    int sideBytes = SparseStripes.sideBytes(layout);
    long masks = at;
    long sides = masks + (long) units * SparseStripes.MASKS;
    long next = sides + (long) units * sideBytes;
    for (int u = 0; u < units; u++, from += layout.unitBytes(), sides += sideBytes) {
      MemorySegment.copy(dense, from + layout.codeBytes(), codes, sides, sideBytes);
      for (int quad = 0; quad < SparseStripes.QUADS; quad++, masks += Long.BYTES) {
        long vector = from + quad * VECTOR;
        long mask = SparseStripes.mask(dense, vector);
        codes.set(JAVA_LONG_UNALIGNED, masks, mask);
        kept += Long.bitCount(mask);
        for (long left = mask; left != 0; left &= left - 1) {
          byte code = dense.get(JAVA_BYTE, vector + Long.numberOfTrailingZeros(left));
          codes.set(JAVA_BYTE, next++, code);
        }
      }
    }
    at = next + (-next & SparseStripes.ALIGNMENT - 1);
  }

  SparseStripes finish() {
    return new SparseStripes(layout, rows, columns, codes, starts, factors, kept);
  }
}

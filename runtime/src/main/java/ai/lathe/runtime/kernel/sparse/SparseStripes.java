package ai.lathe.runtime.kernel.sparse;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import ai.lathe.runtime.kernel.layout.Layout;
import ai.lathe.runtime.kernel.layout.Stripes;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Stripes of 8-bit codes without their zeros, whatever the pattern of these. What is left out is
 * put back in registers: a unit of 64 columns, spread out, is the unit of {@link #layout}, so the
 * arithmetic is that of {@link Layout}, to the last bit.
 *
 * <p><b>A stripe</b> begins at a multiple of {@link #ALIGNMENT} bytes. First, for all its units one
 * after the other, a mask of 64 bits for each vector of four columns, bit {@code i} saying whether
 * byte {@code i} of the vector is there; then the sides of all units, as in the layout; then the
 * bytes that are there, vector after vector, without gaps.
 *
 * @param layout of 8 bits, units of 64 columns
 * @param rows output features
 * @param columns input features
 * @param codes all stripes; {@link #SLACK} bytes behind the last one may be read
 * @param starts where each stripe begins, and where one more would
 * @param factors see {@link Stripes}
 * @param kept codes that are there
 */
public record SparseStripes(
    Layout layout,
    int rows,
    int columns,
    MemorySegment codes,
    long[] starts,
    MemorySegment factors,
    long kept)
    implements CompactStripes {

  /** Vectors of four columns in a unit. */
  public static final int QUADS = Layout.COLUMNS / 4;

  /** Bytes of a unit's masks. */
  public static final int MASKS = QUADS * Long.BYTES;

  /** Of stripes: a cache line. */
  public static final int ALIGNMENT = 64;

  /** A vector is read from where its bytes begin, however few they are. */
  static final int SLACK = 64;

  private static final int VECTOR = 64;

  /** Bytes of a unit's sides. */
  public static int sideBytes(Layout layout) {
    return layout.unitBytes() - layout.codeBytes();
  }

  @Override
  public int headBytes() {
    return MASKS;
  }

  @Override
  public int sideBytes() {
    return sideBytes(layout);
  }

  @Override
  public long sidesAt() {
    return (long) layout.units(columns) * MASKS;
  }

  @Override
  public long codesAt() {
    return sidesAt() + (long) layout.units(columns) * sideBytes(layout);
  }

  @Override
  public long stripeAt(int stripe) {
    return starts[stripe];
  }

  @Override
  public long bytes() {
    return starts[starts.length - 1] + factors.byteSize();
  }

  /** The share of codes that are there. */
  public double density() {
    return kept / ((double) rows * columns);
  }

  @Override
  public String label() {
    return "%s, %.0f %% of them by a mask".formatted(layout.label(), 100 * density());
  }

  /** Without the zeros of these stripes. */
  public static SparseStripes of(Stripes dense, Arena arena) {
    long kept = 0;
    for (long at = 0; at < dense.codes().byteSize(); at += dense.layout().unitBytes()) {
      for (int quad = 0; quad < QUADS; quad++) {
        kept += Long.bitCount(mask(dense.codes(), at + quad * VECTOR));
      }
    }
    var writer = new SparseWriter(dense.layout(), dense.rows(), dense.columns(), kept, arena);
    writer.add(dense);
    return writer.finish();
  }

  /** Which of 64 bytes are not zero. */
  static long mask(MemorySegment codes, long at) {
    long mask = 0;
    for (int part = 0; part < VECTOR; part += Long.BYTES) {
      long eight = codes.get(JAVA_LONG_UNALIGNED, at + part);
      // Any bit of a byte becomes its lowest one; then the eight lowest ones move together.
      eight |= eight >>> 4;
      eight |= eight >>> 2;
      eight |= eight >>> 1;
      mask |= Long.compress(eight, 0x0101010101010101L) << part;
    }
    return mask;
  }

  @Override
  public void expand(int stripe, MemorySegment target, long at) {
    int sides = sideBytes(layout);
    long masks = starts[stripe];
    long next = masks + codesAt();
    for (int u = 0; u < layout.units(columns); u++, at += layout.unitBytes()) {
      long side = starts[stripe] + sidesAt() + (long) u * sides;
      MemorySegment.copy(codes, side, target, at + layout.codeBytes(), sides);
      for (int quad = 0; quad < QUADS; quad++, masks += Long.BYTES) {
        long mask = codes.get(JAVA_LONG_UNALIGNED, masks);
        for (int i = 0; i < VECTOR; i++) {
          boolean there = (mask >>> i & 1) != 0;
          target.set(JAVA_BYTE, at + quad * VECTOR + i, there ? codes.get(JAVA_BYTE, next++) : 0);
        }
      }
    }
  }
}

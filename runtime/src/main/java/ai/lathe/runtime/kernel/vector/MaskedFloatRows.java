package ai.lathe.runtime.kernel.vector;

import static ai.lathe.runtime.kernel.sparse.MaskedRows.BLOCK;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.nio.ByteOrder.LITTLE_ENDIAN;
import static jdk.incubator.vector.VectorOperators.LSHL;

import ai.lathe.runtime.kernel.layout.FewTokens;
import ai.lathe.runtime.kernel.sparse.MaskedRows;
import ai.lathe.tensor.DType;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link MaskedRows}: on vectors of 512 bits spread out in registers for one token, elsewhere by
 * plain Java for all tokens together. Sums are in the order of the same rows with their zeros, so
 * results are theirs to the last bit.
 */
final class MaskedFloatRows implements FloatRows {

  private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_512;
  private static final VectorSpecies<Short> SHORTS = ShortVector.SPECIES_512;
  private static final int LANES = FLOATS.length();

  /** The upper of two bfloat16. */
  private static final int UPPER = 0xFFFF0000;

  /** Rows of a part: what is in it, int positions reach. */
  private static final int PART = 32;

  private static final int MOST_COLUMNS = 1 << 20;

  private final MaskedRows rows;
  private final boolean expands;

  /** Of each part, cut once: with them, positions are ints. */
  private final MemorySegment[] masks;

  private final MemorySegment[] values;

  /**
   * @param expands whether a vector is spread out by an instruction
   */
  MaskedFloatRows(MaskedRows rows, boolean expands) {
    this.rows = rows;
    this.expands = expands && rows.type() != DType.F16 && rows.columns() <= MOST_COLUMNS;
    int parts = this.expands ? Math.ceilDiv(rows.rows(), PART) : 0;
    masks = new MemorySegment[parts];
    values = new MemorySegment[parts];
    for (int p = 0; p < parts; p++) {
      int end = Math.min((p + 1) * PART, rows.rows());
      masks[p] =
          rows.masks()
              .asSlice((long) p * PART * rows.maskBytes(), (end - p * PART) * rows.maskBytes());
      long from = rows.type().bytes(rows.start(p * PART));
      long size = rows.type().bytes(rows.start(end)) - from;
      values[p] = rows.values().asSlice(from, size + MaskedRows.SLACK);
    }
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
  public long bytes() {
    return rows.bytes();
  }

  @Override
  public String label() {
    return rows.label();
  }

  @Override
  public int single() {
    return FewTokens.most(rows.type());
  }

  @Override
  public boolean decodesFor(int tokens) {
    return tokens > 1 || !expands;
  }

  @Override
  public void unpack(int row, int from, int to, float[] target, int at) {
    if (!expands) {
      rows.decode(row, from, to, target, at);
      return;
    }
    long first = rows.start(row);
    int part = row / PART;
    int mask = row % PART * rows.maskBytes();
    var bits = masks[part];
    var kept = values[part];
    int next = (int) (first - rows.start(part * PART));
    for (int i = 0; i < from / BLOCK; i++) {
      next += Integer.bitCount(bits.get(JAVA_INT_UNALIGNED, mask + 4L * i));
    }
    int whole = Math.min(to, columns() / BLOCK * BLOCK);
    int end = from + (whole - from) / BLOCK * BLOCK;
    boolean floats = rows.type() == DType.F32;
    for (int k = from; k < end; k += BLOCK) {
      int here = bits.get(JAVA_INT_UNALIGNED, mask + k / 8);
      if (floats) {
        FloatVector.fromMemorySegment(FLOATS, kept, 4L * next, LITTLE_ENDIAN)
            .expand(VectorMask.fromLong(FLOATS, here & 0xFFFF))
            .intoArray(target, at + k - from);
        int half = next + Integer.bitCount(here & 0xFFFF);
        FloatVector.fromMemorySegment(FLOATS, kept, 4L * half, LITTLE_ENDIAN)
            .expand(VectorMask.fromLong(FLOATS, here >>> 16))
            .intoArray(target, at + k - from + LANES);
      } else {
        var both =
            ShortVector.fromMemorySegment(SHORTS, kept, 2L * next, LITTLE_ENDIAN)
                .expand(VectorMask.fromLong(SHORTS, here))
                .reinterpretAsInts();
        both.lanewise(LSHL, 16).reinterpretAsFloats().intoArray(target, at + k - from);
        both.and(UPPER).reinterpretAsFloats().intoArray(target, at + k - from + LANES);
      }
      next += Integer.bitCount(here);
    }
    if (end < to) {
      rows.decode(row, end, to, target, at + end - from);
    }
  }

  @Override
  public void multiply(int from, int to, MemorySegment x, long xAt, MemorySegment out, long at) {
    var scratch = Scratch.get();
    var lanes = scratch.lanes;
    int end = columns() / BLOCK * BLOCK;
    int rest = columns() - end;
    // What is behind the last block, of two rows.
    var tail = scratch.rows(2 * BLOCK);
    long first = xAt * Float.BYTES;
    for (int part = from; part < to; part += PART) {
      int last = Math.min(part + PART, to) - 1;
      int half = (last - part) / 2 + 1;
      // Two rows half a part from each other: so each of both streams from memory goes on and on.
      for (int row = part; row < part + half; row++) {
        // At the end the last row is computed again and not kept.
        int other = Math.min(row + half, last);
        if (rest > 0) {
          rows.decode(row, end, columns(), tail, 0);
          rows.decode(other, end, columns(), tail, BLOCK);
        }
        if (rows.type() == DType.F32) {
          floats(row, other, end, tail, x, first, lanes);
        } else {
          halves(row, other, end, tail, x, first, lanes);
        }
        float a = Lanes.sum(lanes, 0);
        float b = Lanes.sum(lanes, LANES);
        for (int k = rest / LANES * LANES; k < rest; k++) {
          float v = x.get(JAVA_FLOAT_UNALIGNED, first + 4L * (end + k));
          a = Math.fma(tail[k], v, a);
          b = Math.fma(tail[BLOCK + k], v, b);
        }
        out.set(JAVA_FLOAT_UNALIGNED, (at + row) * Float.BYTES, a);
        out.set(JAVA_FLOAT_UNALIGNED, (at + other) * Float.BYTES, b);
      }
    }
  }

  /**
   * Lanes of the sums of two rows of a part.
   *
   * @param end columns of whole blocks
   * @param tail the columns behind them, {@link #BLOCK} apart
   * @param first byte of the inputs
   * @param lanes {@code [2][LANES]}
   */
  private void floats(
      int row, int other, int end, float[] tail, MemorySegment x, long first, float[] lanes) {
    int part = row / PART;
    var bits = masks[part];
    var kept = values[part];
    long base = rows.start(part * PART);
    int a = (int) (rows.start(row) - base) * Float.BYTES;
    int b = (int) (rows.start(other) - base) * Float.BYTES;
    int maskA = row % PART * rows.maskBytes();
    int maskB = other % PART * rows.maskBytes();
    var sumA = FloatVector.zero(FLOATS);
    var sumB = FloatVector.zero(FLOATS);
    for (int k = 0; k < end / BLOCK; k++) {
      var v = FloatVector.fromMemorySegment(FLOATS, x, first + 128L * k, LITTLE_ENDIAN);
      var w = FloatVector.fromMemorySegment(FLOATS, x, first + 128L * k + 64, LITTLE_ENDIAN);
      int bitsA = bits.get(JAVA_INT_UNALIGNED, maskA + 4L * k);
      sumA =
          FloatVector.fromMemorySegment(FLOATS, kept, a, LITTLE_ENDIAN)
              .expand(VectorMask.fromLong(FLOATS, bitsA & 0xFFFF))
              .fma(v, sumA);
      int secondA = a + Integer.bitCount(bitsA & 0xFFFF) * Float.BYTES;
      a += Integer.bitCount(bitsA) * Float.BYTES;
      sumA =
          FloatVector.fromMemorySegment(FLOATS, kept, secondA, LITTLE_ENDIAN)
              .expand(VectorMask.fromLong(FLOATS, bitsA >>> 16))
              .fma(w, sumA);
      int bitsB = bits.get(JAVA_INT_UNALIGNED, maskB + 4L * k);
      sumB =
          FloatVector.fromMemorySegment(FLOATS, kept, b, LITTLE_ENDIAN)
              .expand(VectorMask.fromLong(FLOATS, bitsB & 0xFFFF))
              .fma(v, sumB);
      int secondB = b + Integer.bitCount(bitsB & 0xFFFF) * Float.BYTES;
      b += Integer.bitCount(bitsB) * Float.BYTES;
      sumB =
          FloatVector.fromMemorySegment(FLOATS, kept, secondB, LITTLE_ENDIAN)
              .expand(VectorMask.fromLong(FLOATS, bitsB >>> 16))
              .fma(w, sumB);
    }
    if (columns() - end >= LANES) {
      var v = FloatVector.fromMemorySegment(FLOATS, x, first + 4L * end, LITTLE_ENDIAN);
      sumA = FloatVector.fromArray(FLOATS, tail, 0).fma(v, sumA);
      sumB = FloatVector.fromArray(FLOATS, tail, BLOCK).fma(v, sumB);
    }
    sumA.intoArray(lanes, 0);
    sumB.intoArray(lanes, LANES);
  }

  /** As {@link #floats}, of bfloat16. */
  private void halves(
      int row, int other, int end, float[] tail, MemorySegment x, long first, float[] lanes) {
    int part = row / PART;
    var bits = masks[part];
    var kept = values[part];
    long base = rows.start(part * PART);
    int a = (int) (rows.start(row) - base) * Short.BYTES;
    int b = (int) (rows.start(other) - base) * Short.BYTES;
    int maskA = row % PART * rows.maskBytes();
    int maskB = other % PART * rows.maskBytes();
    var sumA = FloatVector.zero(FLOATS);
    var sumB = FloatVector.zero(FLOATS);
    for (int k = 0; k < end / BLOCK; k++) {
      var v = FloatVector.fromMemorySegment(FLOATS, x, first + 128L * k, LITTLE_ENDIAN);
      var w = FloatVector.fromMemorySegment(FLOATS, x, first + 128L * k + 64, LITTLE_ENDIAN);
      int bitsA = bits.get(JAVA_INT_UNALIGNED, maskA + 4L * k);
      var bothA =
          ShortVector.fromMemorySegment(SHORTS, kept, a, LITTLE_ENDIAN)
              .expand(VectorMask.fromLong(SHORTS, bitsA))
              .reinterpretAsInts();
      a += Integer.bitCount(bitsA) * Short.BYTES;
      sumA = bothA.lanewise(LSHL, 16).reinterpretAsFloats().fma(v, sumA);
      sumA = bothA.and(UPPER).reinterpretAsFloats().fma(w, sumA);
      int bitsB = bits.get(JAVA_INT_UNALIGNED, maskB + 4L * k);
      var bothB =
          ShortVector.fromMemorySegment(SHORTS, kept, b, LITTLE_ENDIAN)
              .expand(VectorMask.fromLong(SHORTS, bitsB))
              .reinterpretAsInts();
      b += Integer.bitCount(bitsB) * Short.BYTES;
      sumB = bothB.lanewise(LSHL, 16).reinterpretAsFloats().fma(v, sumB);
      sumB = bothB.and(UPPER).reinterpretAsFloats().fma(w, sumB);
    }
    if (columns() - end >= LANES) {
      var v = FloatVector.fromMemorySegment(FLOATS, x, first + 4L * end, LITTLE_ENDIAN);
      sumA = FloatVector.fromArray(FLOATS, tail, 0).fma(v, sumA);
      sumB = FloatVector.fromArray(FLOATS, tail, BLOCK).fma(v, sumB);
    }
    sumA.intoArray(lanes, 0);
    sumB.intoArray(lanes, LANES);
  }
}

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
    int columns = columns();
    int blocks = columns / BLOCK;
    int end = blocks * BLOCK;
    int rest = columns - end;
    long first = xAt * Float.BYTES;
    boolean floats = rows.type() == DType.F32;
    var scratch = Scratch.get();
    var lanes = scratch.lanes;
    var tail = scratch.rows(4 * BLOCK);
    for (int row = from; row < to; row += 4) {
      // At the end the last row is computed again and not kept.
      int rowB = Math.min(row + 1, to - 1);
      int rowC = Math.min(row + 2, to - 1);
      int rowD = Math.min(row + 3, to - 1);
      var bits = masks[row / PART];
      var kept = values[row / PART];
      long base = rows.start(row / PART * PART);
      int bytes = floats ? Float.BYTES : Short.BYTES;
      int a = (int) (rows.start(row) - base) * bytes;
      int b = (int) (rows.start(rowB) - base) * bytes;
      int c = (int) (rows.start(rowC) - base) * bytes;
      int d = (int) (rows.start(rowD) - base) * bytes;
      int maskA = row % PART * rows.maskBytes();
      int maskB = rowB % PART * rows.maskBytes();
      int maskC = rowC % PART * rows.maskBytes();
      int maskD = rowD % PART * rows.maskBytes();
      var sumA = FloatVector.zero(FLOATS);
      var sumB = FloatVector.zero(FLOATS);
      var sumC = FloatVector.zero(FLOATS);
      var sumD = FloatVector.zero(FLOATS);
      if (floats) {
        for (int k = 0; k < blocks; k++) {
          var v = FloatVector.fromMemorySegment(FLOATS, x, first + 128L * k, LITTLE_ENDIAN);
          var w = FloatVector.fromMemorySegment(FLOATS, x, first + 128L * k + 64, LITTLE_ENDIAN);
          int bitsA = bits.get(JAVA_INT_UNALIGNED, maskA + 4L * k);
          sumA =
              FloatVector.fromMemorySegment(FLOATS, kept, a, LITTLE_ENDIAN)
                  .expand(VectorMask.fromLong(FLOATS, bitsA & 0xFFFF))
                  .fma(v, sumA);
          a += Integer.bitCount(bitsA & 0xFFFF) * Float.BYTES;
          sumA =
              FloatVector.fromMemorySegment(FLOATS, kept, a, LITTLE_ENDIAN)
                  .expand(VectorMask.fromLong(FLOATS, bitsA >>> 16))
                  .fma(w, sumA);
          a += Integer.bitCount(bitsA >>> 16) * Float.BYTES;
          int bitsB = bits.get(JAVA_INT_UNALIGNED, maskB + 4L * k);
          sumB =
              FloatVector.fromMemorySegment(FLOATS, kept, b, LITTLE_ENDIAN)
                  .expand(VectorMask.fromLong(FLOATS, bitsB & 0xFFFF))
                  .fma(v, sumB);
          b += Integer.bitCount(bitsB & 0xFFFF) * Float.BYTES;
          sumB =
              FloatVector.fromMemorySegment(FLOATS, kept, b, LITTLE_ENDIAN)
                  .expand(VectorMask.fromLong(FLOATS, bitsB >>> 16))
                  .fma(w, sumB);
          b += Integer.bitCount(bitsB >>> 16) * Float.BYTES;
          int bitsC = bits.get(JAVA_INT_UNALIGNED, maskC + 4L * k);
          sumC =
              FloatVector.fromMemorySegment(FLOATS, kept, c, LITTLE_ENDIAN)
                  .expand(VectorMask.fromLong(FLOATS, bitsC & 0xFFFF))
                  .fma(v, sumC);
          c += Integer.bitCount(bitsC & 0xFFFF) * Float.BYTES;
          sumC =
              FloatVector.fromMemorySegment(FLOATS, kept, c, LITTLE_ENDIAN)
                  .expand(VectorMask.fromLong(FLOATS, bitsC >>> 16))
                  .fma(w, sumC);
          c += Integer.bitCount(bitsC >>> 16) * Float.BYTES;
          int bitsD = bits.get(JAVA_INT_UNALIGNED, maskD + 4L * k);
          sumD =
              FloatVector.fromMemorySegment(FLOATS, kept, d, LITTLE_ENDIAN)
                  .expand(VectorMask.fromLong(FLOATS, bitsD & 0xFFFF))
                  .fma(v, sumD);
          d += Integer.bitCount(bitsD & 0xFFFF) * Float.BYTES;
          sumD =
              FloatVector.fromMemorySegment(FLOATS, kept, d, LITTLE_ENDIAN)
                  .expand(VectorMask.fromLong(FLOATS, bitsD >>> 16))
                  .fma(w, sumD);
          d += Integer.bitCount(bitsD >>> 16) * Float.BYTES;
        }
      } else {
        for (int k = 0; k < blocks; k++) {
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
          int bitsC = bits.get(JAVA_INT_UNALIGNED, maskC + 4L * k);
          var bothC =
              ShortVector.fromMemorySegment(SHORTS, kept, c, LITTLE_ENDIAN)
                  .expand(VectorMask.fromLong(SHORTS, bitsC))
                  .reinterpretAsInts();
          c += Integer.bitCount(bitsC) * Short.BYTES;
          sumC = bothC.lanewise(LSHL, 16).reinterpretAsFloats().fma(v, sumC);
          sumC = bothC.and(UPPER).reinterpretAsFloats().fma(w, sumC);
          int bitsD = bits.get(JAVA_INT_UNALIGNED, maskD + 4L * k);
          var bothD =
              ShortVector.fromMemorySegment(SHORTS, kept, d, LITTLE_ENDIAN)
                  .expand(VectorMask.fromLong(SHORTS, bitsD))
                  .reinterpretAsInts();
          d += Integer.bitCount(bitsD) * Short.BYTES;
          sumD = bothD.lanewise(LSHL, 16).reinterpretAsFloats().fma(v, sumD);
          sumD = bothD.and(UPPER).reinterpretAsFloats().fma(w, sumD);
        }
      }
      if (rest > 0) {
        rows.decode(row, end, columns, tail, 0);
        rows.decode(rowB, end, columns, tail, BLOCK);
        rows.decode(rowC, end, columns, tail, 2 * BLOCK);
        rows.decode(rowD, end, columns, tail, 3 * BLOCK);
      }
      int done = 0;
      if (rest >= LANES) {
        var v = FloatVector.fromMemorySegment(FLOATS, x, first + 4L * end, LITTLE_ENDIAN);
        sumA = FloatVector.fromArray(FLOATS, tail, 0).fma(v, sumA);
        sumB = FloatVector.fromArray(FLOATS, tail, BLOCK).fma(v, sumB);
        sumC = FloatVector.fromArray(FLOATS, tail, 2 * BLOCK).fma(v, sumC);
        sumD = FloatVector.fromArray(FLOATS, tail, 3 * BLOCK).fma(v, sumD);
        done = LANES;
      }
      sumA.intoArray(lanes, 0);
      sumB.intoArray(lanes, LANES);
      sumC.intoArray(lanes, 2 * LANES);
      sumD.intoArray(lanes, 3 * LANES);
      float a0 = Lanes.sum(lanes, 0);
      float b0 = Lanes.sum(lanes, LANES);
      float c0 = Lanes.sum(lanes, 2 * LANES);
      float d0 = Lanes.sum(lanes, 3 * LANES);
      for (int k = done; k < rest; k++) {
        float v = x.get(JAVA_FLOAT_UNALIGNED, first + 4L * (end + k));
        a0 = Math.fma(tail[k], v, a0);
        b0 = Math.fma(tail[BLOCK + k], v, b0);
        c0 = Math.fma(tail[2 * BLOCK + k], v, c0);
        d0 = Math.fma(tail[3 * BLOCK + k], v, d0);
      }
      out.set(JAVA_FLOAT_UNALIGNED, (at + row) * Float.BYTES, a0);
      out.set(JAVA_FLOAT_UNALIGNED, (at + rowB) * Float.BYTES, b0);
      out.set(JAVA_FLOAT_UNALIGNED, (at + rowC) * Float.BYTES, c0);
      out.set(JAVA_FLOAT_UNALIGNED, (at + rowD) * Float.BYTES, d0);
    }
  }
}

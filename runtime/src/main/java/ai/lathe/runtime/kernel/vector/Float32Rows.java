package ai.lathe.runtime.kernel.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import ai.lathe.runtime.kernel.layout.FewTokens;
import ai.lathe.tensor.DType;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Float32.
 *
 * @param label what it was before
 * @param data row-major, at any offset
 */
record Float32Rows(String label, int rows, int columns, MemorySegment data) implements FloatRows {

  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = SPECIES.length();

  @Override
  public long bytes() {
    return data.byteSize();
  }

  @Override
  public void unpack(int row, int from, int to, float[] target, int at) {
    long first = ((long) row * columns + from) * Float.BYTES;
    MemorySegment.copy(data, JAVA_FLOAT_UNALIGNED, first, target, at, to - from);
  }

  @Override
  public int single() {
    return FewTokens.most(DType.F32);
  }

  @Override
  public int stripe() {
    return 4;
  }

  @Override
  public void multiply(int from, int to, MemorySegment x, long xAt, MemorySegment out, long at) {
    int end = SPECIES.loopBound(columns);
    long first = xAt * Float.BYTES;
    long rowBytes = (long) columns * Float.BYTES;
    var lanes = Scratch.get().lanes;
    int quarter = Math.ceilDiv(to - from, 4);
    // Four rows that are far from each other: each stream from memory goes on and on.
    for (int row = from; row < from + quarter; row++) {
      // At the end the last row is computed again and not kept.
      int rowB = Math.min(row + quarter, to - 1);
      int rowC = Math.min(row + 2 * quarter, to - 1);
      int rowD = Math.min(row + 3 * quarter, to - 1);
      long a = row * rowBytes;
      long b = rowB * rowBytes;
      long c = rowC * rowBytes;
      long d = rowD * rowBytes;
      var sumA = FloatVector.zero(SPECIES);
      var sumB = FloatVector.zero(SPECIES);
      var sumC = FloatVector.zero(SPECIES);
      var sumD = FloatVector.zero(SPECIES);
      for (int k = 0; k < end; k += LANES) {
        long w = (long) k * Float.BYTES;
        var v =
            FloatVector.fromMemorySegment(
                SPECIES, x, first + (long) k * Float.BYTES, LITTLE_ENDIAN);
        sumA = FloatVector.fromMemorySegment(SPECIES, data, a + w, LITTLE_ENDIAN).fma(v, sumA);
        sumB = FloatVector.fromMemorySegment(SPECIES, data, b + w, LITTLE_ENDIAN).fma(v, sumB);
        sumC = FloatVector.fromMemorySegment(SPECIES, data, c + w, LITTLE_ENDIAN).fma(v, sumC);
        sumD = FloatVector.fromMemorySegment(SPECIES, data, d + w, LITTLE_ENDIAN).fma(v, sumD);
      }
      sumA.intoArray(lanes, 0);
      sumB.intoArray(lanes, LANES);
      sumC.intoArray(lanes, 2 * LANES);
      sumD.intoArray(lanes, 3 * LANES);
      float a0 = Lanes.sum(lanes, 0);
      float b0 = Lanes.sum(lanes, LANES);
      float c0 = Lanes.sum(lanes, 2 * LANES);
      float d0 = Lanes.sum(lanes, 3 * LANES);
      for (int k = end; k < columns; k++) {
        float v = x.get(JAVA_FLOAT_UNALIGNED, first + (long) k * Float.BYTES);
        long w = (long) k * Float.BYTES;
        a0 = Math.fma(value(a + w), v, a0);
        b0 = Math.fma(value(b + w), v, b0);
        c0 = Math.fma(value(c + w), v, c0);
        d0 = Math.fma(value(d + w), v, d0);
      }
      out.set(JAVA_FLOAT_UNALIGNED, (at + row) * Float.BYTES, a0);
      out.set(JAVA_FLOAT_UNALIGNED, (at + rowB) * Float.BYTES, b0);
      out.set(JAVA_FLOAT_UNALIGNED, (at + rowC) * Float.BYTES, c0);
      out.set(JAVA_FLOAT_UNALIGNED, (at + rowD) * Float.BYTES, d0);
    }
  }

  private float value(long at) {
    return data.get(JAVA_FLOAT_UNALIGNED, at);
  }
}

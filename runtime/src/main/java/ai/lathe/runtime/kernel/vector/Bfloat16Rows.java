package ai.lathe.runtime.kernel.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static java.nio.ByteOrder.LITTLE_ENDIAN;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.ZERO_EXTEND_S2I;

import ai.lathe.runtime.kernel.layout.FewTokens;
import ai.lathe.tensor.DType;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * Bfloat16 as it is stored: the upper half of a float32.
 *
 * @param data row-major, at any offset
 */
record Bfloat16Rows(int rows, int columns, MemorySegment data) implements FloatRows {

  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Integer> WORDS = IntVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Short> CODES =
      VectorSpecies.of(short.class, VectorShape.forBitSize(SPECIES.vectorBitSize() / 2));
  private static final int LANES = SPECIES.length();

  @Override
  public long bytes() {
    return data.byteSize();
  }

  @Override
  public String label() {
    return "BF16";
  }

  @Override
  public void unpack(int row, int from, int to, float[] target, int at) {
    long first = ((long) row * columns + from) * Short.BYTES;
    int count = to - from;
    int end = SPECIES.loopBound(count);
    for (int k = 0; k < end; k += LANES) {
      ShortVector.fromMemorySegment(CODES, data, first + (long) k * Short.BYTES, LITTLE_ENDIAN)
          .convertShape(ZERO_EXTEND_S2I, WORDS, 0)
          .reinterpretAsInts()
          .lanewise(LSHL, 16)
          .reinterpretAsFloats()
          .intoArray(target, at + k);
    }
    for (int k = end; k < count; k++) {
      target[at + k] = value(first + (long) k * Short.BYTES);
    }
  }

  @Override
  public int single() {
    return FewTokens.most(DType.BF16);
  }

  @Override
  public int stripe() {
    return 4;
  }

  @Override
  public void multiply(int from, int to, MemorySegment x, long xAt, MemorySegment out, long at) {
    int end = SPECIES.loopBound(columns);
    long first = xAt * Float.BYTES;
    long rowBytes = (long) columns * Short.BYTES;
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
        long w = (long) k * Short.BYTES;
        var v =
            FloatVector.fromMemorySegment(
                SPECIES, x, first + (long) k * Float.BYTES, LITTLE_ENDIAN);
        sumA =
            ShortVector.fromMemorySegment(CODES, data, a + w, LITTLE_ENDIAN)
                .convertShape(ZERO_EXTEND_S2I, WORDS, 0)
                .reinterpretAsInts()
                .lanewise(LSHL, 16)
                .reinterpretAsFloats()
                .fma(v, sumA);
        sumB =
            ShortVector.fromMemorySegment(CODES, data, b + w, LITTLE_ENDIAN)
                .convertShape(ZERO_EXTEND_S2I, WORDS, 0)
                .reinterpretAsInts()
                .lanewise(LSHL, 16)
                .reinterpretAsFloats()
                .fma(v, sumB);
        sumC =
            ShortVector.fromMemorySegment(CODES, data, c + w, LITTLE_ENDIAN)
                .convertShape(ZERO_EXTEND_S2I, WORDS, 0)
                .reinterpretAsInts()
                .lanewise(LSHL, 16)
                .reinterpretAsFloats()
                .fma(v, sumC);
        sumD =
            ShortVector.fromMemorySegment(CODES, data, d + w, LITTLE_ENDIAN)
                .convertShape(ZERO_EXTEND_S2I, WORDS, 0)
                .reinterpretAsInts()
                .lanewise(LSHL, 16)
                .reinterpretAsFloats()
                .fma(v, sumD);
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
        long w = (long) k * Short.BYTES;
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
    return Float.intBitsToFloat(data.get(JAVA_SHORT_UNALIGNED, at) << 16);
  }
}

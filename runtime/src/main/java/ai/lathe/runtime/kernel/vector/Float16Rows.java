package ai.lathe.runtime.kernel.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static java.nio.ByteOrder.LITTLE_ENDIAN;
import static jdk.incubator.vector.VectorOperators.AND;
import static jdk.incubator.vector.VectorOperators.EQ;
import static jdk.incubator.vector.VectorOperators.FMA;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.S2I;
import static jdk.incubator.vector.VectorOperators.XOR;

import ai.lathe.runtime.kernel.layout.FewTokens;
import ai.lathe.tensor.DType;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * Float16 as it is stored, converted by moving its bits. A subnormal number becomes {@code (1 + m)
 * p} where {@code 2 m p} is wanted, and is put right by {@code 2 (1 + m) p - 2 p}; as a subnormal
 * float32 it would slow processors down several times. Products of a token beyond 2^79 are
 * infinite.
 *
 * @param data row-major, at any offset
 */
record Float16Rows(int rows, int columns, MemorySegment data) implements FloatRows {

  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Integer> WORDS = IntVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Short> CODES =
      VectorSpecies.of(short.class, VectorShape.forBitSize(SPECIES.vectorBitSize() / 2));
  private static final int LANES = SPECIES.length();

  /** Sign, exponent and mantissa of a float16 that was shifted to where a float32 has them. */
  private static final int FIELDS = 0x8FFFE000;

  private static final int SIGN = 0x80000000;
  private static final int EXPONENT = 0x0F800000;

  /** Added to the exponent: 31, infinity and NaN, becomes 255, which is the same of float32. */
  private static final int BIAS = 224 << 23;

  /** A float16's value is what comes out times this: 127 - 15 - 224. */
  private static final float UNBIAS = 0x1p-112f;

  /** {@code -2 p} for a positive number, p being what {@link #BIAS} makes of an exponent of 0. */
  private static final int CORRECTION = SIGN | 225 << 23;

  /** Products are kept this much below what {@link #BIAS} makes of them, so as not to overflow. */
  private static final float INPUT = 0x1p-64f;

  private static final float OUTPUT = UNBIAS / INPUT;

  @Override
  public long bytes() {
    return data.byteSize();
  }

  @Override
  public String label() {
    return "F16";
  }

  @Override
  public void unpack(int row, int from, int to, float[] target, int at) {
    long first = ((long) row * columns + from) * Short.BYTES;
    int count = to - from;
    int end = SPECIES.loopBound(count);
    var two = FloatVector.broadcast(SPECIES, 2);
    for (int k = 0; k < end; k += LANES) {
      var bits =
          ShortVector.fromMemorySegment(CODES, data, first + (long) k * Short.BYTES, LITTLE_ENDIAN)
              .convertShape(S2I, WORDS, 0)
              .reinterpretAsInts()
              .lanewise(LSHL, 13)
              .lanewise(AND, FIELDS);
      bits.add(BIAS)
          .reinterpretAsFloats()
          .lanewise(
              FMA,
              two,
              bits.lanewise(AND, SIGN).lanewise(XOR, CORRECTION).reinterpretAsFloats(),
              bits.lanewise(AND, EXPONENT).compare(EQ, 0).cast(SPECIES))
          .mul(UNBIAS)
          .intoArray(target, at + k);
    }
    for (int k = end; k < count; k++) {
      target[at + k] = value(first + (long) k * Short.BYTES);
    }
  }

  @Override
  public int single() {
    return FewTokens.most(DType.F16);
  }

  @Override
  public int stripe() {
    return 4;
  }

  @Override
  public void multiply(int from, int to, MemorySegment x, long xAt, MemorySegment out, long at) {
    int end = SPECIES.loopBound(columns);
    long first = xAt * Float.BYTES;
    var two = FloatVector.broadcast(SPECIES, 2);
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
            FloatVector.fromMemorySegment(SPECIES, x, first + (long) k * Float.BYTES, LITTLE_ENDIAN)
                .mul(INPUT);
        var bitsA =
            ShortVector.fromMemorySegment(CODES, data, a + w, LITTLE_ENDIAN)
                .convertShape(S2I, WORDS, 0)
                .reinterpretAsInts()
                .lanewise(LSHL, 13)
                .lanewise(AND, FIELDS);
        sumA =
            bitsA
                .add(BIAS)
                .reinterpretAsFloats()
                .lanewise(
                    FMA,
                    two,
                    bitsA.lanewise(AND, SIGN).lanewise(XOR, CORRECTION).reinterpretAsFloats(),
                    bitsA.lanewise(AND, EXPONENT).compare(EQ, 0).cast(SPECIES))
                .fma(v, sumA);
        var bitsB =
            ShortVector.fromMemorySegment(CODES, data, b + w, LITTLE_ENDIAN)
                .convertShape(S2I, WORDS, 0)
                .reinterpretAsInts()
                .lanewise(LSHL, 13)
                .lanewise(AND, FIELDS);
        sumB =
            bitsB
                .add(BIAS)
                .reinterpretAsFloats()
                .lanewise(
                    FMA,
                    two,
                    bitsB.lanewise(AND, SIGN).lanewise(XOR, CORRECTION).reinterpretAsFloats(),
                    bitsB.lanewise(AND, EXPONENT).compare(EQ, 0).cast(SPECIES))
                .fma(v, sumB);
        var bitsC =
            ShortVector.fromMemorySegment(CODES, data, c + w, LITTLE_ENDIAN)
                .convertShape(S2I, WORDS, 0)
                .reinterpretAsInts()
                .lanewise(LSHL, 13)
                .lanewise(AND, FIELDS);
        sumC =
            bitsC
                .add(BIAS)
                .reinterpretAsFloats()
                .lanewise(
                    FMA,
                    two,
                    bitsC.lanewise(AND, SIGN).lanewise(XOR, CORRECTION).reinterpretAsFloats(),
                    bitsC.lanewise(AND, EXPONENT).compare(EQ, 0).cast(SPECIES))
                .fma(v, sumC);
        var bitsD =
            ShortVector.fromMemorySegment(CODES, data, d + w, LITTLE_ENDIAN)
                .convertShape(S2I, WORDS, 0)
                .reinterpretAsInts()
                .lanewise(LSHL, 13)
                .lanewise(AND, FIELDS);
        sumD =
            bitsD
                .add(BIAS)
                .reinterpretAsFloats()
                .lanewise(
                    FMA,
                    two,
                    bitsD.lanewise(AND, SIGN).lanewise(XOR, CORRECTION).reinterpretAsFloats(),
                    bitsD.lanewise(AND, EXPONENT).compare(EQ, 0).cast(SPECIES))
                .fma(v, sumD);
      }
      sumA.intoArray(lanes, 0);
      sumB.intoArray(lanes, LANES);
      sumC.intoArray(lanes, 2 * LANES);
      sumD.intoArray(lanes, 3 * LANES);
      float a0 = Lanes.sum(lanes, 0) * OUTPUT;
      float b0 = Lanes.sum(lanes, LANES) * OUTPUT;
      float c0 = Lanes.sum(lanes, 2 * LANES) * OUTPUT;
      float d0 = Lanes.sum(lanes, 3 * LANES) * OUTPUT;
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
    return Float.float16ToFloat(data.get(JAVA_SHORT_UNALIGNED, at));
  }
}

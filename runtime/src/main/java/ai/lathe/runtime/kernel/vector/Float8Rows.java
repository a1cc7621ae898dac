package ai.lathe.runtime.kernel.vector;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.nio.ByteOrder.LITTLE_ENDIAN;
import static jdk.incubator.vector.VectorOperators.AND;
import static jdk.incubator.vector.VectorOperators.B2I;
import static jdk.incubator.vector.VectorOperators.LSHL;

import ai.lathe.tensor.FloatQuantized;
import ai.lathe.tensor.FloatType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * Finite floats of eight bits with a scale for each tile. A code's bits, moved to where a float32
 * has sign, exponent and mantissa, are its value times a power of two; subnormal codes become
 * subnormal float32, which is slow but rare among scaled weights.
 *
 * @param label of the scheme
 * @param codes row-major, one a byte
 * @param scales {@code [tiles down, across]}
 * @param height rows of a tile
 * @param width columns of a tile
 * @param across tiles from left to right
 */
record Float8Rows(
    FloatType type,
    String label,
    int rows,
    int columns,
    MemorySegment codes,
    float[] scales,
    int height,
    int width,
    int across)
    implements FloatRows {

  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Integer> WORDS = IntVector.SPECIES_PREFERRED;
  private static final int LANES = SPECIES.length();

  /** Narrower vectors have no quarter that the vector API knows. */
  private static final int NARROWEST = 256;

  /** Half of what is between moved bits and values is multiplied to inputs, half to their sums. */
  private static final float OUTPUT = 0x1p60f;

  /** Of bytes as many as of floats; not touched on narrower machines. */
  private static final class Bytes {
    static final VectorSpecies<Byte> SPECIES =
        VectorSpecies.of(
            byte.class, VectorShape.forBitSize(Float8Rows.SPECIES.vectorBitSize() / 4));
  }

  /** Whether a weight can be multiplied as it is: all of its codes are eight bits and finite. */
  static boolean hold(FloatQuantized weight) {
    var type = weight.scheme().type();
    if (type.bits() != 8 || SPECIES.vectorBitSize() < NARROWEST) {
      return false;
    }
    var finite = new boolean[256];
    for (int code = 0; code < finite.length; code++) {
      finite[code] = Float.isFinite(type.decode((byte) code));
    }
    for (byte code : weight.codes()) {
      if (!finite[code & 255]) {
        return false;
      }
    }
    return true;
  }

  static Float8Rows of(FloatQuantized weight, Arena arena) {
    var codes = arena.allocate(weight.codes().length, 64);
    MemorySegment.copy(weight.codes(), 0, codes, JAVA_BYTE, 0, weight.codes().length);
    var scales = weight.scales().toFloats();
    for (int i = 0; i < scales.length; i++) {
      scales[i] /= weight.globalScale();
    }
    var tile = weight.scheme().tile();
    return new Float8Rows(
        weight.scheme().type(),
        weight.scheme().label(),
        weight.rows(),
        weight.columns(),
        codes,
        scales,
        tile.rows() == 0 ? weight.rows() : tile.rows(),
        tile.columns() == 0 ? weight.columns() : tile.columns(),
        tile.across(weight.columns()));
  }

  @Override
  public long bytes() {
    return codes.byteSize() + (long) scales.length * Float.BYTES;
  }

  /** Places from a code's exponent to a float32's. */
  private int shift() {
    return type == FloatType.E4M3 ? 20 : 21;
  }

  /** Sign, exponent and mantissa where they have been moved. */
  private int fields() {
    return type == FloatType.E4M3 ? 0x87F00000 : 0x8FE00000;
  }

  /** What moved bits are to be multiplied by: the difference of the exponents' biases. */
  private float unbias() {
    return type == FloatType.E4M3 ? 0x1p120f : 0x1p112f;
  }

  @Override
  public void unpack(int row, int from, int to, float[] target, int at) {
    int shift = shift();
    int fields = fields();
    float unbias = unbias();
    long first = (long) row * columns;
    int out = at - from;
    for (int start = from, end; start < to; start = end) {
      end = (int) Math.min(to, (start / width + 1L) * width);
      float scale = scale(row, start / width);
      int vectors = start + SPECIES.loopBound(end - start);
      for (int k = start; k < vectors; k += LANES) {
        ByteVector.fromMemorySegment(Bytes.SPECIES, codes, first + k, LITTLE_ENDIAN)
            .convertShape(B2I, WORDS, 0)
            .reinterpretAsInts()
            .lanewise(LSHL, shift)
            .lanewise(AND, fields)
            .reinterpretAsFloats()
            .mul(unbias)
            .mul(scale)
            .intoArray(target, out + k);
      }
      for (int k = vectors; k < end; k++) {
        target[out + k] = value(first + k) * scale;
      }
    }
  }

  private float scale(int row, int tile) {
    return scales[row / height * across + tile];
  }

  @Override
  public int single() {
    boolean tiles = Integer.bitCount(width) == 1 && width >= LANES;
    return tiles || width >= columns ? 3 : 0;
  }

  @Override
  public void multiply(int from, int to, MemorySegment x, long xAt, MemorySegment out, long at) {
    int shift = shift();
    int fields = fields();
    float input = unbias() / OUTPUT;
    // Of a column, the places that leave its tile.
    int places = width >= columns ? Integer.SIZE - 1 : Integer.numberOfTrailingZeros(width);
    int end = SPECIES.loopBound(columns);
    long first = xAt * Float.BYTES;
    var lanes = Scratch.get().lanes;
    for (int row = from; row < to; row += 4) {
      // At the end the last row is computed again and not kept.
      int rowB = Math.min(row + 1, to - 1);
      int rowC = Math.min(row + 2, to - 1);
      int rowD = Math.min(row + 3, to - 1);
      long a = (long) row * columns;
      long b = (long) rowB * columns;
      long c = (long) rowC * columns;
      long d = (long) rowD * columns;
      int scaleA = row / height * across;
      int scaleB = rowB / height * across;
      int scaleC = rowC / height * across;
      int scaleD = rowD / height * across;
      var sumA = FloatVector.zero(SPECIES);
      var sumB = FloatVector.zero(SPECIES);
      var sumC = FloatVector.zero(SPECIES);
      var sumD = FloatVector.zero(SPECIES);
      for (int k = 0; k < end; k += LANES) {
        int tile = k >>> places;
        var v =
            FloatVector.fromMemorySegment(SPECIES, x, first + (long) k * Float.BYTES, LITTLE_ENDIAN)
                .mul(input);
        sumA =
            ByteVector.fromMemorySegment(Bytes.SPECIES, codes, a + k, LITTLE_ENDIAN)
                .convertShape(B2I, WORDS, 0)
                .reinterpretAsInts()
                .lanewise(LSHL, shift)
                .lanewise(AND, fields)
                .reinterpretAsFloats()
                .mul(v)
                .fma(FloatVector.broadcast(SPECIES, scales[scaleA + tile]), sumA);
        sumB =
            ByteVector.fromMemorySegment(Bytes.SPECIES, codes, b + k, LITTLE_ENDIAN)
                .convertShape(B2I, WORDS, 0)
                .reinterpretAsInts()
                .lanewise(LSHL, shift)
                .lanewise(AND, fields)
                .reinterpretAsFloats()
                .mul(v)
                .fma(FloatVector.broadcast(SPECIES, scales[scaleB + tile]), sumB);
        sumC =
            ByteVector.fromMemorySegment(Bytes.SPECIES, codes, c + k, LITTLE_ENDIAN)
                .convertShape(B2I, WORDS, 0)
                .reinterpretAsInts()
                .lanewise(LSHL, shift)
                .lanewise(AND, fields)
                .reinterpretAsFloats()
                .mul(v)
                .fma(FloatVector.broadcast(SPECIES, scales[scaleC + tile]), sumC);
        sumD =
            ByteVector.fromMemorySegment(Bytes.SPECIES, codes, d + k, LITTLE_ENDIAN)
                .convertShape(B2I, WORDS, 0)
                .reinterpretAsInts()
                .lanewise(LSHL, shift)
                .lanewise(AND, fields)
                .reinterpretAsFloats()
                .mul(v)
                .fma(FloatVector.broadcast(SPECIES, scales[scaleD + tile]), sumD);
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
        int tile = k >>> places;
        a0 = Math.fma(value(a + k) * scales[scaleA + tile], v, a0);
        b0 = Math.fma(value(b + k) * scales[scaleB + tile], v, b0);
        c0 = Math.fma(value(c + k) * scales[scaleC + tile], v, c0);
        d0 = Math.fma(value(d + k) * scales[scaleD + tile], v, d0);
      }
      out.set(JAVA_FLOAT_UNALIGNED, (at + row) * Float.BYTES, a0);
      out.set(JAVA_FLOAT_UNALIGNED, (at + rowB) * Float.BYTES, b0);
      out.set(JAVA_FLOAT_UNALIGNED, (at + rowC) * Float.BYTES, c0);
      out.set(JAVA_FLOAT_UNALIGNED, (at + rowD) * Float.BYTES, d0);
    }
  }

  private float value(long at) {
    return type.decode(codes.get(JAVA_BYTE, at));
  }
}

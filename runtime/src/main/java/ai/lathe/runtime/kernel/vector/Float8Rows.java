package ai.lathe.runtime.kernel.vector;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.nio.ByteOrder.LITTLE_ENDIAN;
import static jdk.incubator.vector.VectorOperators.ADD;
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
        target[out + k] = type.decode(codes.get(JAVA_BYTE, first + k)) * scale;
      }
    }
  }

  private float scale(int row, int tile) {
    return scales[row / height * across + tile];
  }

  @Override
  public void multiply(int from, int to, MemorySegment x, MemorySegment out, long at) {
    int shift = shift();
    int fields = fields();
    float input = unbias() / OUTPUT;
    for (int row = from; row < to; row += 2) {
      int next = Math.min(row + 1, to - 1);
      long a = (long) row * columns;
      long b = (long) next * columns;
      var sumA = FloatVector.zero(SPECIES);
      var sumB = FloatVector.zero(SPECIES);
      float restA = 0;
      float restB = 0;
      for (int tile = 0; tile < across; tile++) {
        int start = tile * width;
        int end = (int) Math.min(columns, (long) start + width);
        int vectors = start + SPECIES.loopBound(end - start);
        var tileA = FloatVector.zero(SPECIES);
        var tileB = FloatVector.zero(SPECIES);
        for (int k = start; k < vectors; k += LANES) {
          var v =
              FloatVector.fromMemorySegment(SPECIES, x, (long) k * Float.BYTES, LITTLE_ENDIAN)
                  .mul(input);
          tileA =
              ByteVector.fromMemorySegment(Bytes.SPECIES, codes, a + k, LITTLE_ENDIAN)
                  .convertShape(B2I, WORDS, 0)
                  .reinterpretAsInts()
                  .lanewise(LSHL, shift)
                  .lanewise(AND, fields)
                  .reinterpretAsFloats()
                  .fma(v, tileA);
          tileB =
              ByteVector.fromMemorySegment(Bytes.SPECIES, codes, b + k, LITTLE_ENDIAN)
                  .convertShape(B2I, WORDS, 0)
                  .reinterpretAsInts()
                  .lanewise(LSHL, shift)
                  .lanewise(AND, fields)
                  .reinterpretAsFloats()
                  .fma(v, tileB);
        }
        float scaleA = scale(row, tile);
        float scaleB = scale(next, tile);
        sumA = tileA.mul(OUTPUT).fma(FloatVector.broadcast(SPECIES, scaleA), sumA);
        sumB = tileB.mul(OUTPUT).fma(FloatVector.broadcast(SPECIES, scaleB), sumB);
        for (int k = vectors; k < end; k++) {
          float v = x.get(JAVA_FLOAT_UNALIGNED, (long) k * Float.BYTES);
          restA = Math.fma(type.decode(codes.get(JAVA_BYTE, a + k)) * scaleA, v, restA);
          restB = Math.fma(type.decode(codes.get(JAVA_BYTE, b + k)) * scaleB, v, restB);
        }
      }
      out.set(JAVA_FLOAT_UNALIGNED, (at + row) * Float.BYTES, sumA.reduceLanes(ADD) + restA);
      out.set(JAVA_FLOAT_UNALIGNED, (at + next) * Float.BYTES, sumB.reduceLanes(ADD) + restB);
    }
  }
}

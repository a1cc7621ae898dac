package ai.lathe.runtime.kernel.vector;

import static ai.lathe.runtime.kernel.vector.Width.ORDER;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LSHL;

import ai.lathe.runtime.kernel.sparse.SparseStripes;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorSpecies;

/**
 * A stripe of {@link SparseStripes} times one token, on vectors of 512 bits: one has four columns
 * of all 16 rows.
 *
 * <p>Codes are multiplied in 16-bit lanes, two columns to a lane. The sum of two products is from
 * -32,512 to 32,768, which is one too many; {@link #BIAS} shifts it into an int16 in the upper half
 * of an int lane, and into an unsigned number in the lower half. So the lanes can be summed as
 * ints, which mixes both halves, and the upper halves once more by themselves; from these two the
 * lower halves' sum follows, modulo 2^32 but exact, for it is smaller.
 */
final class SparseSums {

  static final VectorSpecies<Byte> BYTES = ByteVector.SPECIES_512;
  private static final VectorSpecies<Short> SHORTS = ShortVector.SPECIES_512;
  private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_512;
  private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_512;

  /** Upper half -1, lower half 32,767. */
  static final int BIAS = 0xFFFF_7FFF;

  /** What the bias of one vector makes of the sum of a lane's both halves. */
  static final int BIASES = 0x7FFF - 1;

  private static final int VECTOR = Width.VECTOR;

  private SparseSums() {}

  /**
   * Sums over all columns, of two stripes: so the processor waits for the memory of both at once.
   *
   * @param first a stripe, and {@code second} another one, or the same
   * @param pairs of the inputs, from {@code x}: see {@link CodeSums}
   * @param totals {@code [2][16 rows]}
   */
  static void total(
      MaskedStripe first, MaskedStripe second, int units, int[] pairs, int x, int[] totals) {
    int steps = units * SparseStripes.QUADS / 2;
    var headsA = first.heads();
    var keptA = first.kept();
    var headsB = second.heads();
    var keptB = second.kept();
    var bias = IntVector.broadcast(INTS, BIAS).reinterpretAsShorts();
    var allA = IntVector.zero(INTS);
    var highA = IntVector.zero(INTS);
    var allB = IntVector.zero(INTS);
    var highB = IntVector.zero(INTS);
    int a = 0;
    int b = 0;
    for (int m = 0; m < steps; m++) {
      // A shift of ints is one instruction, of shorts two; what it leaves in the lower half of the
      // upper short is shifted out after it.
      var even = IntVector.broadcast(INTS, pairs[x + 4 * m]).reinterpretAsShorts();
      var odd = IntVector.broadcast(INTS, pairs[x + 4 * m + 2]).reinterpretAsShorts();
      long firstA = headsA.get(JAVA_LONG_UNALIGNED, 16L * m);
      var vA =
          ByteVector.fromMemorySegment(BYTES, keptA, a, ORDER)
              .expand(VectorMask.fromLong(BYTES, firstA));
      a += Long.bitCount(firstA);
      var sumVA =
          vA.reinterpretAsInts()
              .lanewise(LSHL, 8)
              .reinterpretAsShorts()
              .lanewise(ASHR, 8)
              .mul(even)
              .add(bias)
              .add(vA.reinterpretAsShorts().lanewise(ASHR, 8).mul(odd))
              .reinterpretAsInts();
      allA = allA.add(sumVA);
      highA = highA.add(sumVA.lanewise(ASHR, 16));
      long firstB = headsB.get(JAVA_LONG_UNALIGNED, 16L * m);
      var vB =
          ByteVector.fromMemorySegment(BYTES, keptB, b, ORDER)
              .expand(VectorMask.fromLong(BYTES, firstB));
      b += Long.bitCount(firstB);
      var sumVB =
          vB.reinterpretAsInts()
              .lanewise(LSHL, 8)
              .reinterpretAsShorts()
              .lanewise(ASHR, 8)
              .mul(even)
              .add(bias)
              .add(vB.reinterpretAsShorts().lanewise(ASHR, 8).mul(odd))
              .reinterpretAsInts();
      allB = allB.add(sumVB);
      highB = highB.add(sumVB.lanewise(ASHR, 16));
      var nextEven = IntVector.broadcast(INTS, pairs[x + 4 * m + 1]).reinterpretAsShorts();
      var nextOdd = IntVector.broadcast(INTS, pairs[x + 4 * m + 3]).reinterpretAsShorts();
      long secondA = headsA.get(JAVA_LONG_UNALIGNED, 16L * m + 8);
      var wA =
          ByteVector.fromMemorySegment(BYTES, keptA, a, ORDER)
              .expand(VectorMask.fromLong(BYTES, secondA));
      a += Long.bitCount(secondA);
      var sumWA =
          wA.reinterpretAsInts()
              .lanewise(LSHL, 8)
              .reinterpretAsShorts()
              .lanewise(ASHR, 8)
              .mul(nextEven)
              .add(bias)
              .add(wA.reinterpretAsShorts().lanewise(ASHR, 8).mul(nextOdd))
              .reinterpretAsInts();
      allA = allA.add(sumWA);
      highA = highA.add(sumWA.lanewise(ASHR, 16));
      long secondB = headsB.get(JAVA_LONG_UNALIGNED, 16L * m + 8);
      var wB =
          ByteVector.fromMemorySegment(BYTES, keptB, b, ORDER)
              .expand(VectorMask.fromLong(BYTES, secondB));
      b += Long.bitCount(secondB);
      var sumWB =
          wB.reinterpretAsInts()
              .lanewise(LSHL, 8)
              .reinterpretAsShorts()
              .lanewise(ASHR, 8)
              .mul(nextEven)
              .add(bias)
              .add(wB.reinterpretAsShorts().lanewise(ASHR, 8).mul(nextOdd))
              .reinterpretAsInts();
      allB = allB.add(sumWB);
      highB = highB.add(sumWB.lanewise(ASHR, 16));
    }
    int biases = BIASES * 2 * steps;
    allA.sub(highA.lanewise(LSHL, 16)).add(highA).sub(biases).intoArray(totals, 0);
    allB.sub(highB.lanewise(LSHL, 16)).add(highB).sub(biases).intoArray(totals, INTS.length());
  }

  /**
   * {@code y = fma(I, s * a, y)} for each group in turn, of two stripes.
   *
   * @param first a stripe, and {@code second} another one, or the same
   * @param sides from a stripe to its sides
   * @param halves whether groups have 16 columns instead of 32
   * @param inputs scales of the input's blocks from {@code inputsAt}
   * @param y {@code [2][16 rows]}
   */
  static void groups(
      MaskedStripe first,
      MaskedStripe second,
      long sides,
      int units,
      boolean halves,
      int[] pairs,
      int x,
      float[] inputs,
      int inputsAt,
      float[] y) {
    var headsA = first.heads();
    var keptA = first.kept();
    var headsB = second.heads();
    var keptB = second.kept();
    var bias = IntVector.broadcast(INTS, BIAS).reinterpretAsShorts();
    int steps = halves ? 2 : 4;
    int groups = units * (8 / steps);
    int shift = halves ? 1 : 0;
    var resultA = FloatVector.fromArray(FLOATS, y, 0);
    var resultB = FloatVector.fromArray(FLOATS, y, FLOATS.length());
    int a = 0;
    int b = 0;
    for (int g = 0; g < groups; g++) {
      var allA = IntVector.zero(INTS);
      var highA = IntVector.zero(INTS);
      var allB = IntVector.zero(INTS);
      var highB = IntVector.zero(INTS);
      for (int m = g * steps; m < (g + 1) * steps; m++) {
        var even = IntVector.broadcast(INTS, pairs[x + 4 * m]).reinterpretAsShorts();
        var odd = IntVector.broadcast(INTS, pairs[x + 4 * m + 2]).reinterpretAsShorts();
        long firstA = headsA.get(JAVA_LONG_UNALIGNED, 16L * m);
        var vA =
            ByteVector.fromMemorySegment(BYTES, keptA, a, ORDER)
                .expand(VectorMask.fromLong(BYTES, firstA));
        a += Long.bitCount(firstA);
        var sumVA =
            vA.reinterpretAsInts()
                .lanewise(LSHL, 8)
                .reinterpretAsShorts()
                .lanewise(ASHR, 8)
                .mul(even)
                .add(bias)
                .add(vA.reinterpretAsShorts().lanewise(ASHR, 8).mul(odd))
                .reinterpretAsInts();
        allA = allA.add(sumVA);
        highA = highA.add(sumVA.lanewise(ASHR, 16));
        long firstB = headsB.get(JAVA_LONG_UNALIGNED, 16L * m);
        var vB =
            ByteVector.fromMemorySegment(BYTES, keptB, b, ORDER)
                .expand(VectorMask.fromLong(BYTES, firstB));
        b += Long.bitCount(firstB);
        var sumVB =
            vB.reinterpretAsInts()
                .lanewise(LSHL, 8)
                .reinterpretAsShorts()
                .lanewise(ASHR, 8)
                .mul(even)
                .add(bias)
                .add(vB.reinterpretAsShorts().lanewise(ASHR, 8).mul(odd))
                .reinterpretAsInts();
        allB = allB.add(sumVB);
        highB = highB.add(sumVB.lanewise(ASHR, 16));
        var nextEven = IntVector.broadcast(INTS, pairs[x + 4 * m + 1]).reinterpretAsShorts();
        var nextOdd = IntVector.broadcast(INTS, pairs[x + 4 * m + 3]).reinterpretAsShorts();
        long secondA = headsA.get(JAVA_LONG_UNALIGNED, 16L * m + 8);
        var wA =
            ByteVector.fromMemorySegment(BYTES, keptA, a, ORDER)
                .expand(VectorMask.fromLong(BYTES, secondA));
        a += Long.bitCount(secondA);
        var sumWA =
            wA.reinterpretAsInts()
                .lanewise(LSHL, 8)
                .reinterpretAsShorts()
                .lanewise(ASHR, 8)
                .mul(nextEven)
                .add(bias)
                .add(wA.reinterpretAsShorts().lanewise(ASHR, 8).mul(nextOdd))
                .reinterpretAsInts();
        allA = allA.add(sumWA);
        highA = highA.add(sumWA.lanewise(ASHR, 16));
        long secondB = headsB.get(JAVA_LONG_UNALIGNED, 16L * m + 8);
        var wB =
            ByteVector.fromMemorySegment(BYTES, keptB, b, ORDER)
                .expand(VectorMask.fromLong(BYTES, secondB));
        b += Long.bitCount(secondB);
        var sumWB =
            wB.reinterpretAsInts()
                .lanewise(LSHL, 8)
                .reinterpretAsShorts()
                .lanewise(ASHR, 8)
                .mul(nextEven)
                .add(bias)
                .add(wB.reinterpretAsShorts().lanewise(ASHR, 8).mul(nextOdd))
                .reinterpretAsInts();
        allB = allB.add(sumWB);
        highB = highB.add(sumWB.lanewise(ASHR, 16));
      }
      // Of float16 in the lower half for even groups, in the upper one for odd ones.
      long scales = sides + (g >> 1) * (long) VECTOR;
      int upper = (~g & 1) << 4;
      float input = inputs[inputsAt + (g >> shift)];
      int biases = BIASES * 2 * steps;
      var scaleA =
          IntVector.fromMemorySegment(INTS, headsA, scales, ORDER)
              .lanewise(LSHL, upper)
              .lanewise(ASHR, 3)
              .and(GroupSides.MASK)
              .reinterpretAsFloats()
              .mul(GroupSides.TO_FLOAT)
              .mul(input);
      var sumA = allA.sub(highA.lanewise(LSHL, 16)).add(highA).sub(biases);
      resultA = ((FloatVector) sumA.convert(I2F, 0)).fma(scaleA, resultA);
      var scaleB =
          IntVector.fromMemorySegment(INTS, headsB, scales, ORDER)
              .lanewise(LSHL, upper)
              .lanewise(ASHR, 3)
              .and(GroupSides.MASK)
              .reinterpretAsFloats()
              .mul(GroupSides.TO_FLOAT)
              .mul(input);
      var sumB = allB.sub(highB.lanewise(LSHL, 16)).add(highB).sub(biases);
      resultB = ((FloatVector) sumB.convert(I2F, 0)).fma(scaleB, resultB);
    }
    resultA.intoArray(y, 0);
    resultB.intoArray(y, FLOATS.length());
  }

  /**
   * Spreads a stripe out.
   *
   * @param sides from the stripe to its sides, of {@code sideBytes} a unit
   * @param target where each unit has {@code bytes} bytes, from {@code to}
   */
  static void expand(
      MaskedStripe stripe,
      long sides,
      int sideBytes,
      int units,
      MemorySegment target,
      long to,
      int bytes) {
    var heads = stripe.heads();
    var kept = stripe.kept();
    int next = 0;
    for (int u = 0; u < units; u++) {
      long out = to + (long) u * bytes;
      for (int m = 0; m < SparseStripes.QUADS; m++) {
        long mask = heads.get(JAVA_LONG_UNALIGNED, (long) u * SparseStripes.MASKS + 8 * m);
        ByteVector.fromMemorySegment(BYTES, kept, next, ORDER)
            .expand(VectorMask.fromLong(BYTES, mask))
            .intoMemorySegment(target, out + VECTOR * m, ORDER);
        next += Long.bitCount(mask);
      }
    }
    for (int u = 0; u < units; u++) {
      long from = sides + (long) u * sideBytes;
      long out = to + (long) u * bytes + VECTOR * SparseStripes.QUADS;
      MemorySegment.copy(heads, from, target, out, sideBytes);
    }
  }
}

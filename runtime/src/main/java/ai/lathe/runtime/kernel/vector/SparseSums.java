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
   * Sums over all columns.
   *
   * @param at of the stripe
   * @param values from there to its codes
   * @param pairs of the inputs, from {@code x}: see {@link CodeSums}
   * @param totals {@code [16 rows]} from {@code to}
   */
  static void total(
      MemorySegment codes,
      long at,
      long values,
      int units,
      int[] pairs,
      int x,
      int[] totals,
      int to) {
    int steps = units * SparseStripes.QUADS / 2;
    // With slices, positions are ints.
    var masks = codes.asSlice(at, values);
    var kept = codes.asSlice(at + values, room(codes, at + values, units));
    var bias = IntVector.broadcast(INTS, BIAS).reinterpretAsShorts();
    var all = IntVector.zero(INTS);
    var high = IntVector.zero(INTS);
    int next = 0;
    for (int m = 0; m < steps; m++) {
      long first = masks.get(JAVA_LONG_UNALIGNED, 16L * m);
      var v =
          ByteVector.fromMemorySegment(BYTES, kept, next, ORDER)
              .expand(VectorMask.fromLong(BYTES, first));
      next += Long.bitCount(first);
      // A shift of ints is one instruction, of shorts two; what it leaves in the lower half of the
      // upper short is shifted out after it.
      var q =
          v.reinterpretAsInts()
              .lanewise(LSHL, 8)
              .reinterpretAsShorts()
              .lanewise(ASHR, 8)
              .mul(IntVector.broadcast(INTS, pairs[x + 4 * m]).reinterpretAsShorts())
              .add(bias)
              .add(
                  v.reinterpretAsShorts()
                      .lanewise(ASHR, 8)
                      .mul(IntVector.broadcast(INTS, pairs[x + 4 * m + 2]).reinterpretAsShorts()))
              .reinterpretAsInts();
      all = all.add(q);
      high = high.add(q.lanewise(ASHR, 16));
      long second = masks.get(JAVA_LONG_UNALIGNED, 16L * m + 8);
      var w =
          ByteVector.fromMemorySegment(BYTES, kept, next, ORDER)
              .expand(VectorMask.fromLong(BYTES, second));
      next += Long.bitCount(second);
      var r =
          w.reinterpretAsInts()
              .lanewise(LSHL, 8)
              .reinterpretAsShorts()
              .lanewise(ASHR, 8)
              .mul(IntVector.broadcast(INTS, pairs[x + 4 * m + 1]).reinterpretAsShorts())
              .add(bias)
              .add(
                  w.reinterpretAsShorts()
                      .lanewise(ASHR, 8)
                      .mul(IntVector.broadcast(INTS, pairs[x + 4 * m + 3]).reinterpretAsShorts()))
              .reinterpretAsInts();
      all = all.add(r);
      high = high.add(r.lanewise(ASHR, 16));
    }
    all.sub(high.lanewise(LSHL, 16)).add(high).sub(BIASES * 2 * steps).intoArray(totals, to);
  }

  /** Bytes from a stripe's codes on that may be read: no more than its dense codes would be. */
  private static long room(MemorySegment codes, long at, int units) {
    return Math.min(codes.byteSize() - at, (units * SparseStripes.QUADS + 1L) * VECTOR);
  }

  /**
   * {@code y = fma(I, s * a, y)} for each group in turn.
   *
   * @param sides from the stripe to its sides
   * @param halves whether groups have 16 columns instead of 32
   * @param a scales of the input's blocks from {@code aAt}
   * @param y {@code [16 rows]} from {@code to}
   */
  static void groups(
      MemorySegment codes,
      long at,
      long sides,
      long values,
      int units,
      boolean halves,
      int[] pairs,
      int x,
      float[] a,
      int aAt,
      float[] y,
      int to) {
    var heads = codes.asSlice(at, values);
    var kept = codes.asSlice(at + values, room(codes, at + values, units));
    var bias = IntVector.broadcast(INTS, BIAS).reinterpretAsShorts();
    int steps = halves ? 2 : 4;
    int groups = units * (8 / steps);
    int shift = halves ? 1 : 0;
    var result = FloatVector.fromArray(FLOATS, y, to);
    int next = 0;
    for (int g = 0; g < groups; g++) {
      var all = IntVector.zero(INTS);
      var high = IntVector.zero(INTS);
      for (int m = g * steps; m < (g + 1) * steps; m++) {
        long first = heads.get(JAVA_LONG_UNALIGNED, 16L * m);
        var v =
            ByteVector.fromMemorySegment(BYTES, kept, next, ORDER)
                .expand(VectorMask.fromLong(BYTES, first));
        next += Long.bitCount(first);
        var q =
            v.reinterpretAsInts()
                .lanewise(LSHL, 8)
                .reinterpretAsShorts()
                .lanewise(ASHR, 8)
                .mul(IntVector.broadcast(INTS, pairs[x + 4 * m]).reinterpretAsShorts())
                .add(bias)
                .add(
                    v.reinterpretAsShorts()
                        .lanewise(ASHR, 8)
                        .mul(IntVector.broadcast(INTS, pairs[x + 4 * m + 2]).reinterpretAsShorts()))
                .reinterpretAsInts();
        all = all.add(q);
        high = high.add(q.lanewise(ASHR, 16));
        long second = heads.get(JAVA_LONG_UNALIGNED, 16L * m + 8);
        var w =
            ByteVector.fromMemorySegment(BYTES, kept, next, ORDER)
                .expand(VectorMask.fromLong(BYTES, second));
        next += Long.bitCount(second);
        var r =
            w.reinterpretAsInts()
                .lanewise(LSHL, 8)
                .reinterpretAsShorts()
                .lanewise(ASHR, 8)
                .mul(IntVector.broadcast(INTS, pairs[x + 4 * m + 1]).reinterpretAsShorts())
                .add(bias)
                .add(
                    w.reinterpretAsShorts()
                        .lanewise(ASHR, 8)
                        .mul(IntVector.broadcast(INTS, pairs[x + 4 * m + 3]).reinterpretAsShorts()))
                .reinterpretAsInts();
        all = all.add(r);
        high = high.add(r.lanewise(ASHR, 16));
      }
      var sum = all.sub(high.lanewise(LSHL, 16)).add(high).sub(BIASES * 2 * steps);
      // Of float16 in the lower half for even groups, in the upper one for odd ones.
      var scale =
          IntVector.fromMemorySegment(INTS, heads, sides + (g >> 1) * (long) VECTOR, ORDER)
              .lanewise(LSHL, (~g & 1) << 4)
              .lanewise(ASHR, 3)
              .and(GroupSides.MASK)
              .reinterpretAsFloats()
              .mul(GroupSides.TO_FLOAT)
              .mul(a[aAt + (g >> shift)]);
      result = ((FloatVector) sum.convert(I2F, 0)).fma(scale, result);
    }
    result.intoArray(y, to);
  }

  /**
   * Spreads a stripe out.
   *
   * @param sideBytes of a unit
   * @param target where each unit has {@code bytes} bytes, from {@code to}
   */
  static void expand(
      MemorySegment codes,
      long at,
      long sides,
      long values,
      int sideBytes,
      int units,
      MemorySegment target,
      long to,
      int bytes) {
    var heads = codes.asSlice(at, values);
    var kept = codes.asSlice(at + values, room(codes, at + values, units));
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

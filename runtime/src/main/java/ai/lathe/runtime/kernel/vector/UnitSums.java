package ai.lathe.runtime.kernel.vector;

import static ai.lathe.runtime.kernel.vector.Width.ORDER;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.LSHL;

import ai.lathe.runtime.kernel.sparse.UnitStripes;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/** A stripe of {@link UnitStripes} times one token; arithmetic as in {@link SparseSums}. */
final class UnitSums {

  private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_512;

  private UnitSums() {}

  /**
   * Sums over all columns.
   *
   * @param at of the stripe
   * @param pairs of the inputs, from {@code x}: see {@link CodeSums}
   * @param totals {@code [16 rows]} from {@code to}
   */
  static void total(MemorySegment codes, long at, int[] pairs, int x, int[] totals, int to) {
    int turns = UnitStripes.turns(codes, at);
    int blocks = turns * UnitStripes.TURN;
    // With slices, positions are ints.
    var indices = codes.asSlice(at + UnitStripes.INDICES, 2L * blocks);
    var kept = codes.asSlice(at + UnitStripes.blocksAt(turns), (long) UnitStripes.BLOCK * blocks);
    var bias = IntVector.broadcast(INTS, SparseSums.BIAS).reinterpretAsShorts();
    var all = IntVector.zero(INTS);
    var high = IntVector.zero(INTS);
    for (int i = 0; i < blocks; i += 2) {
      int first = indices.get(JAVA_SHORT, 2L * i) & 0xFFFF;
      int p = x + 4 * (first >> 1) + (first & 1);
      var v = ByteVector.fromMemorySegment(SparseSums.BYTES, kept, 64L * i, ORDER);
      var q =
          v.reinterpretAsInts()
              .lanewise(LSHL, 8)
              .reinterpretAsShorts()
              .lanewise(ASHR, 8)
              .mul(IntVector.broadcast(INTS, pairs[p]).reinterpretAsShorts())
              .add(bias)
              .add(
                  v.reinterpretAsShorts()
                      .lanewise(ASHR, 8)
                      .mul(IntVector.broadcast(INTS, pairs[p + 2]).reinterpretAsShorts()))
              .reinterpretAsInts();
      all = all.add(q);
      high = high.add(q.lanewise(ASHR, 16));
      int second = indices.get(JAVA_SHORT, 2L * i + 2) & 0xFFFF;
      int s = x + 4 * (second >> 1) + (second & 1);
      var w = ByteVector.fromMemorySegment(SparseSums.BYTES, kept, 64L * i + 64, ORDER);
      var r =
          w.reinterpretAsInts()
              .lanewise(LSHL, 8)
              .reinterpretAsShorts()
              .lanewise(ASHR, 8)
              .mul(IntVector.broadcast(INTS, pairs[s]).reinterpretAsShorts())
              .add(bias)
              .add(
                  w.reinterpretAsShorts()
                      .lanewise(ASHR, 8)
                      .mul(IntVector.broadcast(INTS, pairs[s + 2]).reinterpretAsShorts()))
              .reinterpretAsInts();
      all = all.add(r);
      high = high.add(r.lanewise(ASHR, 16));
    }
    all.sub(high.lanewise(LSHL, 16))
        .add(high)
        .sub(SparseSums.BIASES * blocks)
        .intoArray(totals, to);
  }
}

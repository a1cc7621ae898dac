package ai.lathe.runtime.kernel.vector;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * Sums of the lanes of a vector of the preferred width. {@link FloatVector#reduceLanes} leaves the
 * order open, and interpreted and compiled code differ in it: the first texts of a process would
 * not be the later ones. Here lanes are added to their neighbours, then pairs to pairs, and so on.
 */
final class Lanes {

  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final int COUNT = SPECIES.length();
  private static final VectorShuffle<Float> BY_1 = exchanged(1);
  private static final VectorShuffle<Float> BY_2 = exchanged(2);
  private static final VectorShuffle<Float> BY_4 = exchanged(4);
  private static final VectorShuffle<Float> BY_8 = exchanged(8);

  private Lanes() {}

  private static VectorShuffle<Float> exchanged(int distance) {
    return VectorShuffle.fromOp(SPECIES, lane -> (lane ^ distance) % COUNT);
  }

  static float sum(FloatVector v) {
    var sum = v.add(v.rearrange(BY_1));
    if (COUNT > 2) {
      sum = sum.add(sum.rearrange(BY_2));
    }
    if (COUNT > 4) {
      sum = sum.add(sum.rearrange(BY_4));
    }
    if (COUNT > 8) {
      sum = sum.add(sum.rearrange(BY_8));
    }
    // Wider than any processor has today.
    for (int distance = 16; distance < COUNT; distance *= 2) {
      sum = sum.add(sum.rearrange(exchanged(distance)));
    }
    return sum.lane(0);
  }
}

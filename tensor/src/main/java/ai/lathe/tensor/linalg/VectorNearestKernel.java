package ai.lathe.tensor.linalg;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Four vectors at a time against a strip of points, so that each load of points serves four
 * products. Every lane keeps its best score and the number of the strip that gave it (as a float,
 * which is exact up to 2^24); lanes are compared at the end. As in {@link VectorGemmKernel} the
 * method holds all its vector code itself.
 */
final class VectorNearestKernel implements NearestKernel {

  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = SPECIES.length();

  @Override
  public int lanes() {
    return LANES;
  }

  @Override
  public void search(
      float[] packed, int strips, int length, float[] x, int at, int count, int[] nearest, int to) {
    var scores = new float[LANES];
    var places = new float[LANES];
    int stride = LANES * (length + 1);
    for (int i = 0; i < count; i += 4) {
      // The last ones may be fewer than four: the last vector stands in for those that are missing.
      int x0 = at + i * length;
      int x1 = at + Math.min(i + 1, count - 1) * length;
      int x2 = at + Math.min(i + 2, count - 1) * length;
      int x3 = at + Math.min(i + 3, count - 1) * length;
      var best0 = FloatVector.broadcast(SPECIES, Float.NEGATIVE_INFINITY);
      var best1 = best0;
      var best2 = best0;
      var best3 = best0;
      var place0 = FloatVector.zero(SPECIES);
      var place1 = place0;
      var place2 = place0;
      var place3 = place0;
      for (int strip = 0; strip < strips; strip++) {
        int base = strip * stride;
        var s0 = FloatVector.fromArray(SPECIES, packed, base + length * LANES);
        var s1 = s0;
        var s2 = s0;
        var s3 = s0;
        for (int d = 0; d < length; d++) {
          var c = FloatVector.fromArray(SPECIES, packed, base + d * LANES);
          s0 = c.fma(FloatVector.broadcast(SPECIES, x[x0 + d]), s0);
          s1 = c.fma(FloatVector.broadcast(SPECIES, x[x1 + d]), s1);
          s2 = c.fma(FloatVector.broadcast(SPECIES, x[x2 + d]), s2);
          s3 = c.fma(FloatVector.broadcast(SPECIES, x[x3 + d]), s3);
        }
        var place = FloatVector.broadcast(SPECIES, (float) strip);
        place0 = place0.blend(place, s0.compare(VectorOperators.GT, best0));
        place1 = place1.blend(place, s1.compare(VectorOperators.GT, best1));
        place2 = place2.blend(place, s2.compare(VectorOperators.GT, best2));
        place3 = place3.blend(place, s3.compare(VectorOperators.GT, best3));
        best0 = best0.max(s0);
        best1 = best1.max(s1);
        best2 = best2.max(s2);
        best3 = best3.max(s3);
      }
      best0.intoArray(scores, 0);
      place0.intoArray(places, 0);
      nearest[to + i] = first(scores, places);
      if (i + 1 < count) {
        best1.intoArray(scores, 0);
        place1.intoArray(places, 0);
        nearest[to + i + 1] = first(scores, places);
      }
      if (i + 2 < count) {
        best2.intoArray(scores, 0);
        place2.intoArray(places, 0);
        nearest[to + i + 2] = first(scores, places);
      }
      if (i + 3 < count) {
        best3.intoArray(scores, 0);
        place3.intoArray(places, 0);
        nearest[to + i + 3] = first(scores, places);
      }
    }
  }

  /** The point of the best lane; of equals the one that comes first among all points. */
  private static int first(float[] scores, float[] places) {
    float best = Float.NEGATIVE_INFINITY;
    int found = 0;
    for (int lane = 0; lane < LANES; lane++) {
      int point = (int) places[lane] * LANES + lane;
      if (scores[lane] > best || (scores[lane] == best && point < found)) {
        best = scores[lane];
        found = point;
      }
    }
    return found;
  }
}

package ai.lathe.compress.pruning.fisher;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** A vector of sums stays in its register while all vectors are added to it. */
final class VectorOuterProductKernel implements OuterProductKernel {

  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;

  @Override
  public void add(float[] sums, float[] vectors, int count, int n) {
    int lanes = SPECIES.length();
    int end = count * n;
    int at = 0;
    for (int i = 0; i < n; i++) {
      int bound = SPECIES.loopBound(n - i);
      int j = 0;
      for (; j < bound; j += lanes) {
        var sum = FloatVector.fromArray(SPECIES, sums, at + j);
        for (int k = i; k < end; k += n) {
          sum =
              FloatVector.fromArray(SPECIES, vectors, k + j)
                  .fma(FloatVector.broadcast(SPECIES, vectors[k]), sum);
        }
        sum.intoArray(sums, at + j);
      }
      if (j < n - i) {
        var rest = SPECIES.indexInRange(j, n - i);
        var sum = FloatVector.fromArray(SPECIES, sums, at + j, rest);
        for (int k = i; k < end; k += n) {
          sum =
              FloatVector.fromArray(SPECIES, vectors, k + j, rest)
                  .fma(FloatVector.broadcast(SPECIES, vectors[k]), sum);
        }
        sum.intoArray(sums, at + j, rest);
      }
      at += n - i;
    }
  }
}

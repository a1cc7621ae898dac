package ai.lathe.runtime.kernel.vector;

import jdk.incubator.vector.FloatVector;

/**
 * Sums of the lanes of a vector of the preferred width. {@link FloatVector#reduceLanes} leaves the
 * order open, and interpreted and compiled code differ in it: the first texts of a process would
 * not be the later ones. Here lanes are added to their neighbours, then pairs to pairs, and so on.
 * They come as an array: a method with a vector for an argument is not always inlined, and then
 * every call allocates one.
 */
final class Lanes {

  private static final int COUNT = FloatVector.SPECIES_PREFERRED.length();

  private Lanes() {}

  /** Of the vector at {@code at}, whose elements change. */
  static float sum(float[] x, int at) {
    for (int step = 1; step < COUNT; step *= 2) {
      for (int i = 0; i < COUNT; i += 2 * step) {
        x[at + i] += x[at + i + step];
      }
    }
    return x[at];
  }
}

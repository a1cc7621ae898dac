package ai.lathe.tensor.linalg;

/**
 * The loop of {@link Nearest}. Both implementations compute the same sums in the same order; the
 * vector one with fused multiply-adds.
 */
interface NearestKernel {

  /** Points in a strip. */
  int lanes();

  /** {@link Nearest#search} over packed strips. */
  void search(
      float[] packed, int strips, int length, float[] x, int at, int count, int[] nearest, int to);
}

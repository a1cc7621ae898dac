package ai.lathe.compress.pruning.fisher;

/** The inner loop of {@link BlockFisher}. */
interface OuterProductKernel {

  /**
   * {@code sums += sum of g g^T} over several vectors {@code g [n]}, the upper triangle alone.
   *
   * @param sums rows of the triangle one after the other: n, n - 1, ... 1 numbers
   * @param vectors {@code [count, n]}
   */
  void add(float[] sums, float[] vectors, int count, int n);
}

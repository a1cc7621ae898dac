package ai.lathe.tensor.linalg;

/**
 * The innermost loops of {@link Gemm}. Both implementations compute the same sums in the same order
 * of {@code k}; the vector one with fused multiply-adds.
 */
interface GemmKernel {

  /** Rows of a tile. */
  int rows();

  /** Columns of a tile. */
  int columns();

  /** For people, for example {@code vector, 512 bits, tiles of 8 x 32}. */
  String label();

  /**
   * Adds the product of two packed strips to one tile: {@code c[cAt + i * stride + j] += sum over k
   * of a[aAt + k * rows + i] * b[bAt + k * columns + j]}.
   *
   * @param depth number of {@code k}
   */
  void multiply(int depth, float[] a, int aAt, float[] b, int bAt, float[] c, int cAt, int stride);

  /** {@code y[yAt + i] += factor * x[xAt + i]} for {@code count} elements. */
  void axpy(int count, float factor, float[] x, int xAt, float[] y, int yAt);
}

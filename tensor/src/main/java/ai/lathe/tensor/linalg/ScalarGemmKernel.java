package ai.lathe.tensor.linalg;

/** Plain Java: the fallback, and the oracle that the vector kernel is tested against. */
final class ScalarGemmKernel implements GemmKernel {

  private static final int ROWS = 4;
  private static final int COLUMNS = 16;

  @Override
  public int rows() {
    return ROWS;
  }

  @Override
  public int columns() {
    return COLUMNS;
  }

  @Override
  public String label() {
    return "scalar, tiles of " + ROWS + " x " + COLUMNS;
  }

  @Override
  public void multiply(
      int depth, float[] a, int aAt, float[] b, int bAt, float[] c, int cAt, int stride) {
    var sum = new float[COLUMNS];
    for (int i = 0; i < ROWS; i++) {
      java.util.Arrays.fill(sum, 0);
      for (int k = 0; k < depth; k++) {
        axpy(COLUMNS, a[aAt + k * ROWS + i], b, bAt + k * COLUMNS, sum, 0);
      }
      axpy(COLUMNS, 1, sum, 0, c, cAt + i * stride);
    }
  }

  @Override
  public void axpy(int count, float factor, float[] x, int xAt, float[] y, int yAt) {
    for (int i = 0; i < count; i++) {
      y[yAt + i] += factor * x[xAt + i];
    }
  }
}

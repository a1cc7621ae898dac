package ai.lathe.compress.pruning.fisher;

final class ScalarOuterProductKernel implements OuterProductKernel {

  @Override
  public void add(float[] sums, float[] vectors, int count, int n) {
    int at = 0;
    for (int i = 0; i < n; i++) {
      for (int k = 0; k < count * n; k += n) {
        float factor = vectors[k + i];
        for (int j = i; j < n; j++) {
          sums[at + j - i] += factor * vectors[k + j];
        }
      }
      at += n - i;
    }
  }
}

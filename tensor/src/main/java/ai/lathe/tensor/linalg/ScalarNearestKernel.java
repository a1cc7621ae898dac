package ai.lathe.tensor.linalg;

/** Plain Java: the fallback, and the oracle that the vector kernel is tested against. */
final class ScalarNearestKernel implements NearestKernel {

  private static final int LANES = 16;

  @Override
  public int lanes() {
    return LANES;
  }

  @Override
  public void search(
      float[] packed, int strips, int length, float[] x, int at, int count, int[] nearest, int to) {
    var score = new float[LANES];
    for (int i = 0; i < count; i++) {
      float best = Float.NEGATIVE_INFINITY;
      int found = 0;
      for (int strip = 0; strip < strips; strip++) {
        int base = strip * LANES * (length + 1);
        System.arraycopy(packed, base + length * LANES, score, 0, LANES);
        for (int d = 0; d < length; d++) {
          float value = x[at + i * length + d];
          for (int lane = 0; lane < LANES; lane++) {
            score[lane] += value * packed[base + d * LANES + lane];
          }
        }
        for (int lane = 0; lane < LANES; lane++) {
          if (score[lane] > best) {
            best = score[lane];
            found = strip * LANES + lane;
          }
        }
      }
      nearest[to + i] = found;
    }
  }
}

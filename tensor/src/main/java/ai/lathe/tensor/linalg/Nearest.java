package ai.lathe.tensor.linalg;

import java.util.Arrays;

/**
 * A set of points among which the nearest to a given one is searched by trying them all. Because
 * {@code |x - c|^2 = |x|^2 - 2 (x c - |c|^2 / 2)}, the nearest is the one with the largest {@code x
 * c - |c|^2 / 2}; of equals the first. Immutable; may be used by several threads.
 */
public final class Nearest {

  private static final NearestKernel KERNEL =
      Gemm.vectorized() ? new VectorNearestKernel() : new ScalarNearestKernel();

  /** What makes a point that fills up the last strip lose against every other. */
  private static final float FAR = Float.NEGATIVE_INFINITY;

  private final NearestKernel kernel;
  private final int strips;
  private final int length;

  /**
   * Strips of as many points as the kernel has lanes: the first coordinate of each, then the
   * second, ..., then {@code -|c|^2 / 2}.
   */
  private final float[] packed;

  /**
   * @param points {@code [count, length]}, copied
   */
  public Nearest(float[] points, int count, int length) {
    this(KERNEL, points, count, length);
  }

  Nearest(NearestKernel kernel, float[] points, int count, int length) {
    if (count < 1 || length < 1 || points.length < (long) count * length) {
      throw new IllegalArgumentException(
          points.length + " numbers are not " + count + " points of " + length);
    }
    this.kernel = kernel;
    this.length = length;
    int lanes = kernel.lanes();
    strips = Math.ceilDiv(count, lanes);
    packed = new float[Math.multiplyExact(strips * lanes, length + 1)];
    for (int strip = 0; strip < strips; strip++) {
      int base = strip * lanes * (length + 1);
      Arrays.fill(packed, base + lanes * length, base + lanes * (length + 1), FAR);
      for (int lane = 0; lane < Math.min(lanes, count - strip * lanes); lane++) {
        int point = (strip * lanes + lane) * length;
        float half = 0;
        for (int d = 0; d < length; d++) {
          float value = points[point + d];
          packed[base + d * lanes + lane] = value;
          half += value * value;
        }
        packed[base + length * lanes + lane] = -half / 2;
      }
    }
  }

  /**
   * The number of the point nearest to each of {@code count} vectors.
   *
   * @param x {@code [count, length]} from {@code at} on
   * @param nearest {@code [count]} from {@code to} on
   */
  public void search(float[] x, int at, int count, int[] nearest, int to) {
    kernel.search(packed, strips, length, x, at, count, nearest, to);
  }
}

package ai.lathe.compress.quantization;

import ai.lathe.tensor.linalg.Nearest;
import ai.lathe.tensor.linalg.Parallel;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * Lloyd's algorithm on weighted vectors: minimises {@code sum of weight_i * |x_i - c|^2} over
 * {@code c} the nearest centroid. The result depends on the seed alone, not on the number of
 * threads.
 */
final class KMeans {

  /** Vectors that one task assigns. */
  private static final int CHUNK = 1024;

  /** Iterations end where they lower the error by less than this share of it. */
  private static final double GAIN = 1e-4;

  private KMeans() {}

  /**
   * @param x {@code [count, length]}
   * @param weights {@code [count]}, not negative; null where all count alike
   * @return {@code [clusters, length]}
   */
  static float[] fit(
      float[] x, float[] weights, int length, int clusters, int iterations, long seed) {
    int count = x.length / length;
    var centroids = sample(x, weights, count, length, clusters, seed);
    var nearest = new int[count];
    double before = Double.POSITIVE_INFINITY;
    for (int i = 0; i < iterations; i++) {
      assign(x, length, centroids, clusters, nearest);
      double error = update(x, weights, length, centroids, clusters, nearest);
      if (error == 0 || before - error < GAIN * error) {
        break;
      }
      before = error;
    }
    return centroids;
  }

  /** The number of the nearest centroid to each vector. */
  static void assign(float[] x, int length, float[] centroids, int clusters, int[] nearest) {
    var index = new Nearest(centroids, clusters, length);
    Parallel.forEach(
        Math.ceilDiv(nearest.length, CHUNK),
        chunk -> {
          int from = chunk * CHUNK;
          int size = Math.min(CHUNK, nearest.length - from);
          index.search(x, from * length, size, nearest, from);
        });
  }

  /** Vectors drawn by weight, without one twice as long as there are others. */
  private static float[] sample(
      float[] x, float[] weights, int count, int length, int clusters, long seed) {
    var random = new SplittableRandom(seed);
    // The largest keys weight^(1/u) are a sample by weight without replacement.
    var keys = new double[count];
    for (int i = 0; i < count; i++) {
      double weight = weights == null ? 1 : weights[i];
      keys[i] = weight > 0 ? Math.log(random.nextDouble()) / weight : Double.NEGATIVE_INFINITY;
    }
    var sorted = keys.clone();
    Arrays.sort(sorted);
    double least = count > clusters ? sorted[count - clusters] : Double.NEGATIVE_INFINITY;
    var centroids = new float[clusters * length];
    int taken = 0;
    for (int i = 0; i < count && taken < clusters; i++) {
      if (keys[i] >= least) {
        System.arraycopy(x, i * length, centroids, taken++ * length, length);
      }
    }
    // Fewer vectors than centroids: the rest repeat them, and no vector is ever nearest to a
    // repeat.
    for (int k = taken; k < clusters; k++) {
      System.arraycopy(centroids, k % Math.max(1, taken) * length, centroids, k * length, length);
    }
    return centroids;
  }

  /**
   * Moves each centroid to the mean of its vectors, and each without any to a vector that is far
   * from its own.
   *
   * @return the error before
   */
  private static double update(
      float[] x, float[] weights, int length, float[] centroids, int clusters, int[] nearest) {
    int count = nearest.length;
    var sums = new double[clusters * length];
    var mass = new double[clusters];
    var far = new double[count];
    double error = 0;
    for (int i = 0; i < count; i++) {
      double weight = weights == null ? 1 : weights[i];
      int to = nearest[i] * length;
      double distance = 0;
      for (int d = 0; d < length; d++) {
        double value = x[i * length + d];
        double difference = value - centroids[to + d];
        distance += difference * difference;
        sums[to + d] += weight * value;
      }
      mass[nearest[i]] += weight;
      far[i] = weight * distance;
      error += far[i];
    }
    int empty = 0;
    for (int k = 0; k < clusters; k++) {
      if (mass[k] == 0) {
        empty++;
        continue;
      }
      for (int d = 0; d < length; d++) {
        centroids[k * length + d] = (float) (sums[k * length + d] / mass[k]);
      }
    }
    if (empty > 0) {
      reseed(x, length, centroids, mass, far, empty);
    }
    return error;
  }

  private static void reseed(
      float[] x, int length, float[] centroids, double[] mass, double[] far, int empty) {
    var sorted = far.clone();
    Arrays.sort(sorted);
    double least = sorted[Math.max(0, sorted.length - empty)];
    int at = 0;
    for (int k = 0; k < mass.length; k++) {
      if (mass[k] == 0) {
        while (at < far.length && (far[at] < least || far[at] == 0)) {
          at++;
        }
        if (at == far.length) {
          return;
        }
        System.arraycopy(x, at++ * length, centroids, k * length, length);
      }
    }
  }
}

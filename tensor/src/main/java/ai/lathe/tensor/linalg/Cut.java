package ai.lathe.tensor.linalg;

import java.util.Arrays;

/**
 * Which scores are the smallest {@code k}: all below the threshold, and of those equal to it the
 * first few.
 *
 * @param ties how many of the scores equal to the threshold belong to the smallest
 */
public record Cut(float threshold, long ties) {

  /** So few are sorted faster than a histogram is cleared. */
  private static final int SHORT = 1 << 14;

  private static final Cut NOTHING = new Cut(0, 0);

  /** Scores that can be gone through more than once. */
  @FunctionalInterface
  public interface Scores {
    /** Hands all scores to the counter, in runs of any length. */
    void forEach(Counter counter);
  }

  /** Takes a run of scores. */
  @FunctionalInterface
  public interface Counter {
    /** {@code scores[from .. to)}, none of them negative or NaN. */
    void count(float[] scores, int from, int to);
  }

  /**
   * By their bits, which order floats that are not negative: the upper half in a first pass, the
   * lower half of those in the decisive bucket in a second.
   *
   * @param k at most as many as there are scores
   */
  public static Cut of(long k, Scores scores) {
    if (k == 0) {
      return NOTHING;
    }
    var upper = new long[1 << 16];
    scores.forEach(
        (values, from, to) -> {
          for (int i = from; i < to; i++) {
            upper[Float.floatToRawIntBits(values[i] + 0f) >>> 16]++;
          }
        });
    long left = k;
    int high = 0;
    while (upper[high] < left) {
      left -= upper[high++];
    }
    int bucket = high;
    var lower = new long[1 << 16];
    scores.forEach(
        (values, from, to) -> {
          for (int i = from; i < to; i++) {
            int bits = Float.floatToRawIntBits(values[i] + 0f);
            if (bits >>> 16 == bucket) {
              lower[bits & 0xFFFF]++;
            }
          }
        });
    int low = 0;
    while (lower[low] < left) {
      left -= lower[low++];
    }
    return new Cut(Float.intBitsToFloat(bucket << 16 | low), left);
  }

  /** Of one run of scores, {@code scores[from .. to)}. */
  public static Cut of(long k, float[] scores, int from, int to) {
    if (to - from > SHORT || k == 0) {
      return of(k, counter -> counter.count(scores, from, to));
    }
    var sorted = Arrays.copyOfRange(scores, from, to);
    Arrays.sort(sorted);
    int last = (int) k - 1;
    int first = last;
    while (first > 0 && sorted[first - 1] == sorted[last]) {
      first--;
    }
    return new Cut(sorted[last], k - first);
  }
}

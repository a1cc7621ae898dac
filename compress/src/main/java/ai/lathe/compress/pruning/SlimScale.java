package ai.lathe.compress.pruning;

import ai.lathe.compress.quantization.IntegerGrid;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import java.util.Arrays;

/**
 * SLiM's quantizer: one symmetric scale for a whole matrix, of the cap {@code alpha} that leaves
 * the least squared error. Weights are counted in a histogram of {@code |w|}, on which caps are
 * tried: eleven over the range, then every bin between the neighbours of the best. Each bin is
 * rounded as its weights will be, those below zero apart, which have one code more.
 */
final class SlimScale {

  private static final int FEWEST_BINS = 512;
  private static final int MOST_BINS = 20_000;
  private static final int WEIGHTS_A_BIN = 1000;
  private static final int COARSE = 11;

  private final long[] counts;
  private final long[] negative;
  private final double width;
  private final int largestCode;

  /**
   * @param largestCode {@code 2^(bits - 1) - 1}
   */
  private SlimScale(Matrix weight, Mask mask, int largestCode) {
    this.largestCode = largestCode;
    int n = weight.columns();
    float largest = 0;
    for (int i = 0; i < weight.values().length; i++) {
      if (mask.keeps(i / n, i % n)) {
        largest = Math.max(largest, Math.abs(weight.values()[i]));
      }
    }
    counts = new long[Math.clamp(weight.values().length / WEIGHTS_A_BIN, FEWEST_BINS, MOST_BINS)];
    negative = new long[counts.length];
    width = largest / counts.length;
    for (int i = 0; i < weight.values().length && largest > 0; i++) {
      if (mask.keeps(i / n, i % n)) {
        int bin = (int) (Math.abs(weight.values()[i]) / width);
        (weight.values()[i] < 0 ? negative : counts)[Math.min(bin, counts.length - 1)]++;
      }
    }
  }

  /**
   * The weights that stay on the grid {@code step * code}; the others have code 0.
   *
   * @param grid symmetric, a scale a row
   */
  static GroupQuantized round(Matrix weight, Mask mask, IntegerGrid grid) {
    int n = weight.columns();
    int low = grid.scheme().min();
    int high = grid.scheme().max();
    float step = grid.stored((float) step(weight, mask, high));
    var codes = new byte[weight.values().length];
    for (int i = 0; i < codes.length; i++) {
      if (mask.keeps(i / n, i % n)) {
        codes[i] = (byte) Math.clamp(Math.round(weight.values()[i] / step), low, high);
      }
    }
    var scales = new float[weight.rows()];
    Arrays.fill(scales, step);
    return grid.weight(weight.rows(), n, codes, scales, null, null);
  }

  /** {@code alpha / (2^(bits - 1) - 1)}; 0 where all weights are. */
  static double step(Matrix weight, Mask mask, int largestCode) {
    var search = new SlimScale(weight, mask, largestCode);
    int bins = search.counts.length;
    int best = bins;
    double least = search.error(bins);
    int stride = Math.max(1, bins / COARSE);
    for (int cap = stride; cap < bins; cap += stride) {
      double error = search.error(cap);
      if (error < least) {
        least = error;
        best = cap;
      }
    }
    int from = Math.max(1, best - stride);
    int to = Math.min(bins, best + stride);
    for (int cap = from; cap <= to; cap++) {
      double error = search.error(cap);
      if (error < least) {
        least = error;
        best = cap;
      }
    }
    return best * search.width / largestCode;
  }

  /** Squared error with the cap at the end of a bin. */
  private double error(int cap) {
    double step = cap * width / largestCode;
    double sum = 0;
    for (int bin = 0; bin < counts.length && step > 0; bin++) {
      double w = (bin + 0.5) * width;
      double code = Math.rint(w / step);
      double above = w - step * Math.min(code, largestCode);
      double below = w - step * Math.min(code, largestCode + 1);
      sum += counts[bin] * above * above + negative[bin] * below * below;
    }
    return sum;
  }
}

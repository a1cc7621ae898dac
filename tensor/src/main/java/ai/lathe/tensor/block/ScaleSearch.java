package ai.lathe.tensor.block;

/**
 * Chooses scale and offset of one group: a weighted least-squares search.
 *
 * <p>For a trial step the nearest codes {@code l} are fixed and the best scale and offset follow
 * from linear least squares; trials stretch and shrink the step that just covers the group. All
 * trials advance together through the group, one a vector lane.
 */
final class ScaleSearch {

  /** A value is {@code scale * l + offset}. */
  record Grid(float scale, float offset) {}

  /** Adding and subtracting it rounds a float below 2^22 to the nearest integer. */
  private static final float ROUND = 12582912f;

  private final int low;
  private final int high;
  private final float[] stretch;

  /**
   * @param low least code
   * @param high largest code
   * @param from the first trial covers {@code from} steps more than the group needs (fewer where
   *     negative)
   * @param step from one trial to the next
   */
  ScaleSearch(int low, int high, float from, float step, int trials) {
    this.low = low;
    this.high = high;
    this.stretch = new float[trials];
    for (int c = 0; c < trials; c++) {
      stretch[c] = from + step * c;
    }
  }

  /**
   * The scale for values {@code scale * l}; negative where that puts the group's largest magnitude
   * on the longer side of the codes.
   *
   * @param w weights of {@code x[at .. at + n)}, from {@code wAt}
   */
  float symmetric(float[] x, int at, int n, float[] w, int wAt) {
    float extreme = 0;
    for (int i = 0; i < n; i++) {
      extreme = Math.abs(x[at + i]) > Math.abs(extreme) ? x[at + i] : extreme;
    }
    if (extreme == 0) {
      return 0;
    }
    int trials = stretch.length;
    var inverse = new float[trials];
    for (int c = 0; c < trials; c++) {
      inverse[c] = (low - stretch[c]) / extreme;
    }
    var sumLL = new float[trials];
    var sumXL = new float[trials];
    for (int i = 0; i < n; i++) {
      float xi = x[at + i];
      float wi = w[wAt + i];
      float wx = wi * xi;
      for (int c = 0; c < trials; c++) {
        float l = Math.min(Math.max(xi * inverse[c], low), high) + ROUND - ROUND;
        sumLL[c] += wi * l * l;
        sumXL[c] += wx * l;
      }
    }
    double best = 0;
    float scale = extreme / low;
    for (int c = 0; c < trials; c++) {
      double gain = sumLL[c] > 0 ? (double) sumXL[c] * sumXL[c] / sumLL[c] : 0;
      if (gain > best) {
        best = gain;
        scale = sumXL[c] / sumLL[c];
      }
    }
    return scale;
  }

  /**
   * Scale and offset; the scale is not negative.
   *
   * @param offsetUpToZero whether an offset above zero cannot be stored
   */
  Grid affine(float[] x, int at, int n, float[] w, int wAt, boolean offsetUpToZero) {
    float min = x[at];
    float max = x[at];
    for (int i = 1; i < n; i++) {
      min = Math.min(min, x[at + i]);
      max = Math.max(max, x[at + i]);
    }
    if (offsetUpToZero) {
      min = Math.min(min, 0);
    }
    if (!(max > min)) {
      return new Grid(0, min);
    }
    int trials = stretch.length;
    var inverse = new float[trials];
    for (int c = 0; c < trials; c++) {
      inverse[c] = (high + stretch[c]) / (max - min);
    }
    var sumL = new float[trials];
    var sumLL = new float[trials];
    var sumYL = new float[trials];
    double sumW = 0;
    double sumY = 0;
    for (int i = 0; i < n; i++) {
      float y = x[at + i] - min;
      float wi = w[wAt + i];
      float wy = wi * y;
      sumW += wi;
      sumY += wy;
      for (int c = 0; c < trials; c++) {
        float l = Math.min(y * inverse[c], high) + ROUND - ROUND;
        float wl = wi * l;
        sumL[c] += wl;
        sumLL[c] += wl * l;
        sumYL[c] += wy * l;
      }
    }
    double best = Double.NEGATIVE_INFINITY;
    double scale = (max - min) / high;
    double shift = 0;
    for (int c = 0; c < trials; c++) {
      double determinant = sumW * sumLL[c] - (double) sumL[c] * sumL[c];
      if (!(determinant > 0)) {
        continue;
      }
      double s = (sumW * sumYL[c] - sumY * sumL[c]) / determinant;
      double o = (sumLL[c] * sumY - (double) sumL[c] * sumYL[c]) / determinant;
      if (offsetUpToZero && min + o > 0) {
        o = -min;
        s = (sumYL[c] - o * sumL[c]) / sumLL[c];
      }
      // Sum of w y^2 less the squared error, for codes l with the values s l + o.
      double gain =
          2 * (s * sumYL[c] + o * sumY) - (s * s * sumLL[c] + 2 * s * o * sumL[c] + o * o * sumW);
      if (gain > best && s > 0) {
        best = gain;
        scale = s;
        shift = o;
      }
    }
    return new Grid((float) scale, (float) (min + shift));
  }

  /**
   * Weighted squared error of each of several grids, every weight at its nearest code.
   *
   * @param scale one a grid; 0 stores {@code offset} alone
   */
  double[] errors(float[] x, int at, int n, float[] w, int wAt, float[] scale, float[] offset) {
    int grids = scale.length;
    var inverse = new float[grids];
    for (int c = 0; c < grids; c++) {
      inverse[c] = scale[c] == 0 ? 0 : 1 / scale[c];
    }
    var sum = new float[grids];
    for (int i = 0; i < n; i++) {
      float xi = x[at + i];
      float wi = w[wAt + i];
      for (int c = 0; c < grids; c++) {
        float l = Math.min(Math.max((xi - offset[c]) * inverse[c], low), high) + ROUND - ROUND;
        float error = scale[c] * l + offset[c] - xi;
        sum[c] += wi * error * error;
      }
    }
    var errors = new double[grids];
    for (int c = 0; c < grids; c++) {
      errors[c] = sum[c];
    }
    return errors;
  }

  /** The code of {@code x} on a grid, as in {@link #errors}. */
  int code(float x, float scale, float offset) {
    float position = scale == 0 ? 0 : (x - offset) * (1 / scale);
    return (int) (Math.clamp(position, (float) low, (float) high) + ROUND - ROUND);
  }
}

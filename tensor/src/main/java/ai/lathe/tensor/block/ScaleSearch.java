package ai.lathe.tensor.block;

/**
 * Chooses scale and offset of one group: a weighted least-squares search.
 *
 * <p>For a trial step the nearest levels {@code l} are fixed, and the best scale and offset follow
 * from linear least squares. Trials shrink and stretch the step that just covers the group; the
 * best of them is then fitted again to the codes that it itself gives.
 */
final class ScaleSearch {

  /** A value is {@code scale * l + offset}. */
  record Grid(float scale, float offset) {}

  /** Fits of the best trial to its own codes; each can only lower the error. */
  private static final int POLISH = 2;

  /**
   * How many steps more than there are levels a trial lays over the group: positive ones clip its
   * ends, negative ones leave levels unused. Half as many trials lose 0.1 % of the error, twice as
   * many win 0.1 %.
   */
  private static final float[] STRETCH = {
    -0.9f, -0.7f, -0.5f, -0.3f, -0.1f, 0.1f, 0.3f, 0.5f, 0.7f, 0.9f, 1.1f, 1.3f, 1.5f
  };

  private final Levels levels;
  private final float[] stretch;

  private ScaleSearch(Levels levels, float[] stretch) {
    this.levels = levels;
    this.stretch = stretch;
  }

  ScaleSearch(Levels levels) {
    this(levels, STRETCH);
  }

  /** Only the step that just covers the group, which is near the best where levels are many. */
  static ScaleSearch covering(Levels levels) {
    return new ScaleSearch(levels, new float[1]);
  }

  /**
   * The scale for values {@code scale * l}; negative where that puts the group's largest magnitude
   * on the longer side of the levels.
   *
   * @param w weights of {@code x[at .. at + n)}, from {@code wAt}
   */
  float symmetric(float[] x, int at, int n, float[] w, int wAt) {
    float extreme = 0;
    for (int i = at; i < at + n; i++) {
      extreme = Math.abs(x[i]) > Math.abs(extreme) ? x[i] : extreme;
    }
    if (extreme == 0) {
      return 0;
    }
    int low = levels.low();
    double best = 0;
    float scale = extreme / low;
    for (int t = 0; t < stretch.length + POLISH; t++) {
      float inverse =
          t < stretch.length ? (low - stretch[t] * levels.spacing()) / extreme : 1 / scale;
      float sumLL = 0;
      float sumXL = 0;
      for (int i = 0; i < n; i++) {
        float xi = x[at + i];
        float l = levels.round(xi * inverse);
        float wl = w[wAt + i] * l;
        sumLL += wl * l;
        sumXL += wl * xi;
      }
      // Weighted squares of x less the squared error.
      double gain = (double) sumXL * sumXL / sumLL;
      if (gain > best) {
        best = gain;
        scale = sumXL / sumLL;
      }
    }
    return scale;
  }

  /**
   * Scale and offset; the scale is not negative. For levels from 0.
   *
   * @param offsetUpToZero whether an offset above zero cannot be stored
   */
  Grid affine(float[] x, int at, int n, float[] w, int wAt, boolean offsetUpToZero) {
    float min = offsetUpToZero ? Math.min(x[at], 0) : x[at];
    float max = x[at];
    for (int i = at + 1; i < at + n; i++) {
      min = Math.min(min, x[i]);
      max = Math.max(max, x[i]);
    }
    if (!(max > min)) {
      return new Grid(0, min);
    }
    double sumW = 0;
    double sumY = 0;
    for (int i = 0; i < n; i++) {
      sumW += w[wAt + i];
      sumY += w[wAt + i] * (x[at + i] - min);
    }
    double best = Double.NEGATIVE_INFINITY;
    int high = levels.high();
    double scale = (max - min) / high;
    double shift = 0; // offset - min
    for (int t = 0; t < stretch.length + POLISH; t++) {
      float inverse = (float) (t < stretch.length ? (high + stretch[t]) / (max - min) : 1 / scale);
      float bias = t < stretch.length ? 0 : (float) (shift / scale);
      float sumL = 0;
      float sumLL = 0;
      float sumYL = 0;
      for (int i = 0; i < n; i++) {
        float y = x[at + i] - min;
        float l = levels.round(y * inverse - bias);
        float wl = w[wAt + i] * l;
        sumL += wl;
        sumLL += wl * l;
        sumYL += wl * y;
      }
      double determinant = sumW * sumLL - (double) sumL * sumL;
      if (!(determinant > 0)) {
        continue;
      }
      double s = (sumW * sumYL - sumY * sumL) / determinant;
      double o = (sumLL * sumY - (double) sumL * sumYL) / determinant;
      if (offsetUpToZero && min + o > 0) {
        o = -min;
        s = (sumYL - o * sumL) / sumLL;
      }
      // Weighted squares of y less the squared error.
      double gain = 2 * (s * sumYL + o * sumY) - (s * s * sumLL + 2 * s * o * sumL + o * o * sumW);
      if (gain > best && s > 0) {
        best = gain;
        scale = s;
        shift = o;
      }
    }
    return new Grid((float) scale, (float) (min + shift));
  }

  /** Weighted squared error of a grid, every weight at its nearest level. */
  double error(float[] x, int at, int n, float[] w, int wAt, float scale, float offset) {
    float inverse = scale == 0 ? 0 : 1 / scale;
    float sum = 0;
    for (int i = 0; i < n; i++) {
      float xi = x[at + i];
      float error = scale * levels.round((xi - offset) * inverse) + offset - xi;
      sum += w[wAt + i] * error * error;
    }
    return sum;
  }

  /** The nearest level to a position, which is {@code (x - offset) / scale}. */
  float round(float position) {
    return levels.round(position);
  }
}

package ai.lathe.compress.quantization;

import ai.lathe.tensor.linalg.Parallel;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * Codes and scales of some rows of a weight in a form that gradients can move: a logit for each
 * candidate of each weight. A candidate is one of all four codes at two bits, else one of the five
 * around the code of the start. With {@code l} the logits, {@code g} Gumbel noise, {@code s} and
 * {@code z} scale and zero point:
 *
 * <pre>
 *   p = softmax((kappa l + g) / tau)        soft = s (sum_c p_c c - z)        hard = s (argmax_c l_c - z)
 * </pre>
 *
 * <p>The noise is a function of seed, step and place, so {@link #update} has that of {@link #soft}
 * again without its being stored, and the result does not depend on the number of threads.
 *
 * @see <a href="https://arxiv.org/abs/2604.18556">GSQ, 2026</a>
 */
final class GumbelCodes {

  /** Of the noise that logits begin with, and the unit of what is added to it. */
  private static final float SPREAD = 0.01f;

  /** How much likelier than its neighbours the start's code begins. */
  private static final float STRENGTH = 6;

  private static final float BETA1 = 0.9f;
  private static final float BETA2 = 0.95f;

  /** Rows that a task works on. */
  private static final int TILE = 8;

  /** Quantiles of the Gumbel distribution in the middles of equal shares of probability. */
  private static final float[] GUMBEL = new float[1 << 16];

  static {
    for (int i = 0; i < GUMBEL.length; i++) {
      GUMBEL[i] = (float) -Math.log(-Math.log((i + 0.5) / GUMBEL.length));
    }
  }

  /**
   * How far training has come.
   *
   * @param step counted from 0; chooses the noise
   * @param tau temperature; towards 0 the softmax becomes an argmax
   * @param kappa what logits are multiplied by, against noise of the size of 1
   * @param noise what noise is multiplied by: 1, or 0 for none
   */
  record Moment(int step, float tau, float kappa, float noise) {}

  /**
   * What Lion is to do in a step.
   *
   * @param logits learning rate
   * @param scales learning rate, in units of the mean scale
   * @param decay of logits, in units of their learning rate
   */
  record Rates(float logits, float scales, float decay) {}

  private final IntegerGrid grid;
  private final int rows;
  private final int columns;
  private final int size;
  private final int groups;
  private final int seed;
  private final byte[] base;
  private final byte[] zeros;
  private final float[] scales;
  private final float meanScale;
  private final float[][] logits;
  private final float[][] momentum;
  private final float[] scaleMomentum;
  private final int lowest;

  /**
   * @param start the rows' codes and scales; stays as it is
   * @param seed of all noise
   */
  GumbelCodes(Grouped start, IntegerGrid grid, int seed) {
    this.grid = grid;
    this.seed = seed;
    rows = start.rows();
    columns = start.columns();
    size = grid.groupSize(columns);
    groups = columns / size;
    zeros = start.zeros();
    scales = start.scales().clone();
    double sum = 0;
    for (float scale : scales) {
      sum += Math.abs(scale);
    }
    meanScale = (float) (sum / scales.length);
    boolean all = grid.scheme().bits() == 2;
    int candidates = all ? 4 : 5;
    lowest = -2;
    base = all ? new byte[start.codes().length] : start.codes().clone();
    logits = new float[candidates][start.codes().length];
    momentum = new float[candidates][start.codes().length];
    scaleMomentum = new float[scales.length];
    Parallel.forEach(rows, row -> begin(row, start.codes()));
  }

  private void begin(int row, byte[] codes) {
    var random = new SplittableRandom(((long) seed << 32) + row);
    for (int i = row * columns; i < (row + 1) * columns; i++) {
      float mean = 0;
      int valid = 0;
      for (int c = 0; c < logits.length; c++) {
        if (valid(i, c)) {
          mean += closeness(i, c, codes[i]);
          valid++;
        }
      }
      mean /= valid;
      for (int c = 0; c < logits.length; c++) {
        float ahead = closeness(i, c, codes[i]) - mean;
        logits[c][i] = SPREAD * ((float) random.nextGaussian() + STRENGTH * ahead);
      }
    }
  }

  private float closeness(int i, int c, int code) {
    float distance = base[i] + lowest + c - code;
    return -0.5f * distance * distance;
  }

  private boolean valid(int i, int c) {
    int code = base[i] + lowest + c;
    return code >= grid.scheme().min() && code <= grid.scheme().max();
  }

  int rows() {
    return rows;
  }

  int columns() {
    return columns;
  }

  /**
   * @param target gets the soft weight, {@code [rows, columns]}
   */
  void soft(Moment moment, float[] target) {
    forEachTile(
        moment,
        (row, p, mean) -> {
          for (int group = 0; group < groups; group++) {
            float s = scales[row * groups + group];
            int zero = zeros == null ? 0 : zeros[row * groups + group];
            for (int j = group * size; j < (group + 1) * size; j++) {
              target[row * columns + j] = s * (mean[j] - zero);
            }
          }
        });
  }

  /**
   * A step of Lion (Chen et al. 2023, arXiv 2302.06675).
   *
   * @param gradient of the loss by the soft weight of this moment, {@code [rows, columns]}
   */
  void update(Moment moment, Rates rates, float[] gradient) {
    forEachTile(
        moment,
        (row, p, mean) -> {
          float sharpness = moment.kappa() / moment.tau();
          for (int group = 0; group < groups; group++) {
            int at = row * groups + group;
            float s = scales[at];
            int zero = zeros == null ? 0 : zeros[at];
            double ofScale = 0;
            int from = group * size;
            for (int j = from; j < from + size; j++) {
              ofScale += gradient[row * columns + j] * (mean[j] - zero);
            }
            for (int c = 0; c < logits.length; c++) {
              var l = logits[c];
              var m = momentum[c];
              var q = p[c];
              for (int j = from; j < from + size; j++) {
                int i = row * columns + j;
                float code = base[i] + lowest + c;
                float g = sharpness * s * gradient[i] * q[j] * (code - mean[j]);
                float way = BETA1 * m[i] + (1 - BETA1) * g;
                m[i] = BETA2 * m[i] + (1 - BETA2) * g;
                l[i] -= rates.logits() * (Math.signum(way) + rates.decay() * l[i]);
              }
            }
            float way = BETA1 * scaleMomentum[at] + (1 - BETA1) * (float) ofScale;
            scaleMomentum[at] = BETA2 * scaleMomentum[at] + (1 - BETA2) * (float) ofScale;
            scales[at] = s - rates.scales() * meanScale * Math.signum(way);
          }
        });
  }

  /** The likeliest codes, with scales as they are stored. */
  Grouped hard() {
    var codes = new byte[base.length];
    Parallel.forEach(
        rows,
        row -> {
          for (int i = row * columns; i < (row + 1) * columns; i++) {
            float most = Float.NEGATIVE_INFINITY;
            for (int c = 0; c < logits.length; c++) {
              if (valid(i, c) && logits[c][i] > most) {
                most = logits[c][i];
                codes[i] = (byte) (base[i] + lowest + c);
              }
            }
          }
        });
    var stored = new float[scales.length];
    for (int g = 0; g < stored.length; g++) {
      stored[g] = grid.stored(scales[g]);
    }
    return new Grouped(rows, columns, codes, stored, zeros == null ? null : zeros.clone());
  }

  /** What is done with a row's probabilities. */
  private interface RowTask {
    /**
     * @param p of each candidate of each weight of the row
     * @param mean the mean code of each weight
     */
    void accept(int row, float[][] p, float[] mean);
  }

  private void forEachTile(Moment moment, RowTask task) {
    int key = mix(seed + 0x9e3779b9 * moment.step());
    Parallel.forEach(
        Math.ceilDiv(rows, TILE),
        tile -> {
          var p = new float[logits.length][columns];
          var mean = new float[columns];
          var most = new float[columns];
          int end = Math.min((tile + 1) * TILE, rows);
          for (int row = tile * TILE; row < end; row++) {
            probabilities(row, moment, key, p, most, mean);
            task.accept(row, p, mean);
          }
        });
  }

  private void probabilities(
      int row, Moment moment, int key, float[][] p, float[] most, float[] mean) {
    int at = row * columns;
    float slope = moment.kappa() / moment.tau();
    float noise = moment.noise() / moment.tau();
    Arrays.fill(most, Float.NEGATIVE_INFINITY);
    for (int c = 0; c < p.length; c++) {
      var x = p[c];
      var l = logits[c];
      for (int j = 0; j < columns; j++) {
        int h = mix(key ^ (at + j) * 8 + c);
        x[j] = slope * l[at + j] + noise * GUMBEL[h >>> 16];
      }
      if (p.length == 5) {
        for (int j = 0; j < columns; j++) {
          x[j] = valid(at + j, c) ? x[j] : -Float.MAX_VALUE;
        }
      }
      for (int j = 0; j < columns; j++) {
        most[j] = Math.max(most[j], x[j]);
      }
    }
    // The sum of exponentials takes the place of the greatest, then the mean that of its parts.
    Arrays.fill(mean, 0);
    for (var x : p) {
      for (int j = 0; j < columns; j++) {
        x[j] = exp(x[j] - most[j]);
        mean[j] += x[j];
      }
    }
    for (int j = 0; j < columns; j++) {
      most[j] = 1 / mean[j];
      mean[j] = base[at + j] + lowest;
    }
    for (int c = 0; c < p.length; c++) {
      var x = p[c];
      for (int j = 0; j < columns; j++) {
        x[j] *= most[j];
        mean[j] += c * x[j];
      }
    }
  }

  /** {@code e^x} of what is not positive, within 2e-6 of itself above -20; 0 in the end. */
  static float exp(float x) {
    float y = Math.max(x * 1.44269504f, -127f);
    int n = (int) (y - 0.5f);
    float f = (y - n) * 0.693147181f;
    float series =
        1 + f * (1 + f * (0.5f + f * (1 / 6f + f * (1 / 24f + f * (1 / 120f + f * (1 / 720f))))));
    return series * Float.intBitsToFloat(n + 127 << 23);
  }

  /** Spreads 32 bits so that neighbours have nothing in common (Wellons, "lowbias32"). */
  private static int mix(int h) {
    h = (h ^ h >>> 16) * 0x7feb352d;
    h = (h ^ h >>> 15) * 0x846ca68b;
    return h ^ h >>> 16;
  }
}

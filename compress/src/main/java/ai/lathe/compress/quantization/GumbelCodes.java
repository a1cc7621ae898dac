package ai.lathe.compress.quantization;

import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.Parallel;
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

  /** Rows that a task works on. */
  private static final int TILE = 8;

  private static final GumbelKernel KERNEL =
      Gemm.vectorized() ? new VectorGumbelKernel() : new ScalarGumbelKernel();

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
        float logit = SPREAD * ((float) random.nextGaussian() + STRENGTH * ahead);
        logits[c][i] = valid(i, c) ? logit : GumbelKernel.NEVER;
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
              int i = row * columns + j;
              target[i] = s * (mean[j] + (base[i] + lowest - zero));
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
          var slopes = new float[columns];
          for (int group = 0; group < groups; group++) {
            int at = row * groups + group;
            float s = scales[at];
            int zero = zeros == null ? 0 : zeros[at];
            double ofScale = 0;
            for (int j = group * size; j < (group + 1) * size; j++) {
              int i = row * columns + j;
              ofScale += gradient[i] * (mean[j] + (base[i] + lowest - zero));
              slopes[j] = sharpness * s * gradient[i];
            }
            float way = lion(scaleMomentum, at, (float) ofScale);
            scales[at] = s - rates.scales() * meanScale * Math.signum(way);
          }
          KERNEL.step(
              logits,
              momentum,
              row * columns,
              columns,
              p,
              mean,
              slopes,
              rates.logits(),
              rates.decay());
        });
  }

  /** Takes a gradient into a momentum, and gives what Lion follows the sign of. */
  private static float lion(float[] momentum, int at, float gradient) {
    float before = momentum[at];
    momentum[at] = GumbelKernel.BETA2 * before + (1 - GumbelKernel.BETA2) * gradient;
    return GumbelKernel.BETA1 * before + (1 - GumbelKernel.BETA1) * gradient;
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
     * @param mean the mean candidate of each weight
     */
    void accept(int row, float[][] p, float[] mean);
  }

  private void forEachTile(Moment moment, RowTask task) {
    int key = GumbelKernel.mix(seed + 0x9e3779b9 * moment.step());
    float slope = moment.kappa() / moment.tau();
    float noise = moment.noise() / moment.tau();
    Parallel.forEach(
        Math.ceilDiv(rows, TILE),
        tile -> {
          var p = new float[logits.length][columns];
          var mean = new float[columns];
          int end = Math.min((tile + 1) * TILE, rows);
          for (int row = tile * TILE; row < end; row++) {
            KERNEL.soften(logits, row * columns, columns, key, slope, noise, p, mean);
            task.accept(row, p, mean);
          }
        });
  }
}

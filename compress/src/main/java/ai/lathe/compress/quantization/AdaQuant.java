package ai.lathe.compress.quantization;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.Parallel;
import ai.lathe.tensor.linalg.View;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * AdaQuant: weights, scales and zero points of a layer trained together, through the rounding, so
 * that its outputs come out right.
 *
 * <p>With {@code u [out, in]} the weights in steps of their groups and {@code s}, {@code z} a
 * group's scale and zero point,
 *
 * <pre>
 *   Q = s k,   k = clamp(round(u), min - z, max - z)      L = ||W X - Q X||^2 = tr((Q - W) H (Q - W)^T)
 * </pre>
 *
 * and with {@code G = dL/dQ = 2 (Q - W) H} the gradients are {@code s G} for {@code u} (rounding
 * passes them straight through), the group's sum of {@code s k G} for {@code log s}, and minus that
 * of {@code s G} over its clamped weights for {@code z}. Adam takes the steps. Scales are used as
 * they will be stored, so the loss of every step is that of a weight which could be stored as it
 * is; each row, whose loss depends on no other, keeps the best it has had, its start included.
 *
 * @see <a href="https://arxiv.org/abs/2006.10518">Hubara et al., 2020</a>
 */
public final class AdaQuant implements QuantizationMethod<AdaQuant.Config> {

  /** The settings by the names that recipes use. */
  public static final List<String> SETTINGS =
      List.of("start", "steps", "learning_rate", "scale_learning_rate");

  private static final double BETA1 = 0.9;
  private static final double BETA2 = 0.999;
  private static final float EPSILON = 1e-8f;

  /** Zero points are counted in codes, and move so many times as fast as logarithms of scales. */
  private static final double ZERO_PACE = 10;

  /** Rows that are trained at once: enough for fast products, few enough to be small. */
  private static final int ROWS = 512;

  /** What training begins with. */
  public enum Start {
    /** Each weight rounded to the nearest code. */
    RTN,
    /** What GPTQ makes of the layer. */
    GPTQ
  }

  /**
   * @param steps of Adam; 0 leaves the start as it is
   * @param learningRate of {@code u}, in steps of the grid; falls to 0 by a cosine
   * @param scaleRate of the logarithm of scales
   */
  public record Config(
      IntegerGrid grid, Start start, int steps, double learningRate, double scaleRate)
      implements SolverConfig {

    public Config {
      if (steps < 0 || steps > 1_000_000) {
        throw new LatheException("AdaQuant's steps are 0 to 1000000, not " + steps);
      }
      if (!(learningRate >= 0 && learningRate <= 10 && scaleRate >= 0 && scaleRate <= 1)) {
        throw new LatheException(
            "AdaQuant's learning_rate is 0 to 10 grid steps and its scale_learning_rate 0 to 1, not %s and %s"
                .formatted(learningRate, scaleRate));
      }
    }

    /**
     * The defaults, settled on layers of stories260K (groups of 32) and MiniLM (128): against a
     * start from rounding, GPTQ's left 6 % less output error on tokens that were not trained on
     * after half as many steps; learning rates of 0.0005 to 0.002 were within 2 % of each other and
     * 0.02 lost most of the gain; 500 steps gained 2 to 9 % more.
     */
    public static Config of(IntegerGrid grid) {
      return new Config(grid, Start.GPTQ, 200, 0.001, 0.003);
    }
  }

  @Override
  public String name() {
    return "adaquant";
  }

  @Override
  public Config config(Grid grid, Map<String, ?> given) {
    if (!(grid instanceof IntegerGrid integers)) {
      throw new LatheException(
          "AdaQuant trains the scales of integer groups: take a scheme like W4A16, not "
              + grid.encoding().label());
    }
    var settings = new Settings("AdaQuant", given, SETTINGS);
    var usual = Config.of(integers);
    return new Config(
        integers,
        settings.choice("start", usual.start()),
        settings.integer("steps", usual.steps()),
        settings.number("learning_rate", usual.learningRate()),
        settings.number("scale_learning_rate", usual.scaleRate()));
  }

  @Override
  public Set<Statistic> requires() {
    return Set.of(Statistic.GRAM);
  }

  @Override
  public List<Solution> solve(Layer layer, LayerStatistics statistics, List<Config> levels) {
    layer.requireFinite();
    statistics.requireFinite(layer.name());
    var gram =
        statistics
            .gram()
            .orElseThrow(() -> new LatheException(layer.name() + ": AdaQuant needs a Gram matrix"));
    return levels.stream().map(level -> solve(layer, statistics, gram, level)).toList();
  }

  private static Solution solve(
      Layer layer, LayerStatistics statistics, Matrix gram, Config level) {
    var start =
        switch (level.start()) {
          case RTN -> new Solution(Rtn.round(layer.weight(), level.grid()), List.of());
          case GPTQ ->
              new Gptq().solve(layer, statistics, List.of(Gptq.Config.of(level.grid()))).getFirst();
        };
    var quantized = (GroupQuantized) start.weight();
    var best = Grouped.of(quantized);
    for (int from = 0; from < quantized.rows(); from += ROWS) {
      int to = Math.min(from + ROWS, quantized.rows());
      new Training(layer.weight(), gram, level, best, from, to).run();
    }
    return new Solution(best.store(level.grid()), start.fallbacks());
  }

  /** Some rows on their way; {@code best} holds the start, and gets the result. */
  private static final class Training {
    private final Matrix weight;
    private final Matrix gram;
    private final Config level;
    private final Grouped best;
    private final int first;
    private final int rows;
    private final int columns;
    private final int size;
    private final int groups;
    private final float norm;

    private final double[] least;
    private final short[] k;
    private final float[] startScale;
    private final float[] scale;
    private final int[] zero;
    private final float[] logScale;
    private final float[] softZero;
    private final float[] u;
    private final Adam adamU;
    private final Adam adamScale;
    private final Adam adamZero;
    private final Matrix difference;
    private final Matrix gradient;

    Training(Matrix weight, Matrix gram, Config level, Grouped best, int from, int to) {
      this.weight = weight;
      this.gram = gram;
      this.level = level;
      this.best = best;
      first = from;
      rows = to - from;
      columns = weight.columns();
      size = level.grid().groupSize(columns);
      groups = columns / size;
      least = new double[rows];
      Arrays.fill(least, Double.POSITIVE_INFINITY);
      k = new short[rows * columns];
      startScale = Arrays.copyOfRange(best.scales(), from * groups, to * groups);
      scale = startScale.clone();
      zero = new int[rows * groups];
      logScale = new float[rows * groups];
      softZero = new float[rows * groups];
      u = new float[rows * columns];
      adamU = new Adam(u.length);
      adamScale = new Adam(scale.length);
      adamZero = new Adam(best.zeros() == null ? 0 : zero.length);
      difference = Matrix.zeros(rows, columns);
      gradient = Matrix.zeros(rows, columns);
      double trace = 0;
      for (int j = 0; j < columns; j++) {
        trace += gram.at(j, j);
      }
      norm = trace > 0 ? (float) (columns / trace) : 1;
      begin();
    }

    /** {@code u} rounds to the codes of the start, and is as near to {@code W} as that allows. */
    private void begin() {
      for (int g = 0; g < scale.length; g++) {
        int at = first * groups + g;
        zero[g] = best.zeros() == null ? 0 : best.zeros()[at];
        softZero[g] = zero[g];
      }
      Parallel.forEach(
          rows,
          row -> {
            for (int j = 0; j < columns; j++) {
              int group = row * groups + j / size;
              int at = (first + row) * columns + j;
              float code = best.codes()[at] - zero[group];
              float exact = weight.values()[at] / scale[group];
              u[row * columns + j] = Math.clamp(exact, code - 0.49f, code + 0.49f);
            }
          });
    }

    void run() {
      for (int step = 0; ; step++) {
        Parallel.forEach(rows, this::round);
        Arrays.fill(gradient.values(), 0);
        Gemm.add(View.of(gradient), View.of(difference), View.of(gram));
        Parallel.forEach(rows, this::keepIfBest);
        if (step == level.steps()) {
          return;
        }
        double falling = 0.5 * (1 + Math.cos(Math.PI * step / level.steps()));
        var pace = Pace.of(step + 1, level.learningRate() * falling);
        var scalePace = Pace.of(step + 1, level.scaleRate() * falling);
        var zeroPace = Pace.of(step + 1, ZERO_PACE * level.scaleRate() * falling);
        Parallel.forEach(rows, row -> step(row, pace, scalePace, zeroPace));
      }
    }

    /** {@code Q - W} of a row. */
    private void round(int row) {
      var scheme = level.grid().scheme();
      for (int j = 0; j < columns; j++) {
        int group = row * groups + j / size;
        int at = row * columns + j;
        float code =
            Math.clamp(
                (float) Math.rint(u[at]), scheme.min() - zero[group], scheme.max() - zero[group]);
        k[at] = (short) code;
        difference.values()[at] =
            scale[group] * code - weight.values()[(first + row) * columns + j];
      }
    }

    private void keepIfBest(int row) {
      double loss = 0;
      for (int at = row * columns; at < (row + 1) * columns; at++) {
        loss += (double) gradient.values()[at] * difference.values()[at];
      }
      if (!(loss < least[row])) {
        return;
      }
      least[row] = loss;
      for (int g = 0; g < groups; g++) {
        int group = row * groups + g;
        int kept = (first + row) * groups + g;
        best.scales()[kept] = scale[group];
        if (best.zeros() != null) {
          best.zeros()[kept] = (byte) zero[group];
        }
      }
      for (int j = 0; j < columns; j++) {
        best.codes()[(first + row) * columns + j] =
            (byte) (k[row * columns + j] + zero[row * groups + j / size]);
      }
    }

    private void step(int row, Pace pace, Pace scalePace, Pace zeroPace) {
      var scheme = level.grid().scheme();
      for (int group = row * groups; group < (row + 1) * groups; group++) {
        float s = scale[group];
        float low = scheme.min() - zero[group] - 0.5f;
        float high = scheme.max() - zero[group] + 0.5f;
        double ofScale = 0;
        double ofZero = 0;
        int from = row * columns + (group - row * groups) * size;
        for (int at = from; at < from + size; at++) {
          float g = norm * s * gradient.values()[at];
          ofScale += g * k[at];
          ofZero -= u[at] <= low || u[at] >= high ? g : 0;
          // No further out than where rounding begins to clamp: it would have to come back again.
          u[at] = Math.clamp(u[at] - adamU.step(at, g, pace), low, high);
        }
        logScale[group] -= adamScale.step(group, (float) ofScale, scalePace);
        scale[group] = level.grid().stored((float) (startScale[group] * Math.exp(logScale[group])));
        if (best.zeros() != null) {
          softZero[group] =
              Math.clamp(
                  softZero[group] - adamZero.step(group, (float) ofZero, zeroPace),
                  scheme.min(),
                  scheme.max());
          zero[group] = Math.round(softZero[group]);
        }
      }
    }
  }

  /**
   * How far a step of Adam goes.
   *
   * @param rate learning rate over what the running mean lacks
   * @param root of what the running mean square lacks
   */
  private record Pace(float rate, float root) {

    static Pace of(int step, double rate) {
      return new Pace(
          (float) (rate / (1 - Math.pow(BETA1, step))),
          (float) Math.sqrt(1 - Math.pow(BETA2, step)));
    }
  }

  /** Running mean and mean square of the gradients of some parameters. */
  private static final class Adam {
    private final float[] mean;
    private final float[] square;

    Adam(int count) {
      mean = new float[count];
      square = new float[count];
    }

    /** What to take off parameter {@code i}. */
    float step(int i, float gradient, Pace pace) {
      mean[i] += (float) (1 - BETA1) * (gradient - mean[i]);
      square[i] += (float) (1 - BETA2) * (gradient * gradient - square[i]);
      return pace.rate() * mean[i] / ((float) Math.sqrt(square[i]) / pace.root() + EPSILON);
    }
  }
}

package ai.lathe.compress.quantization;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;

/**
 * SpQR: GPTQ on a grid of small groups, except for the few weights whose rounding would cost most.
 * These outliers keep their value, as corrections in float16 beside the quantized matrix.
 *
 * <p>A weight is an outlier where the error that GPTQ is about to spread, {@code e = (w - q) /
 * U_jj}, has {@code e^2 > tau}. A group's grid is fitted without those of its weights whose leaving
 * out would lower the group's error by more than {@code tau}; they count as the mean of the others.
 *
 * <p>In the paper {@code tau} is given relative to the layer, and the number of outliers follows.
 * Here their largest number is given, since what is written must be known before: {@code tau} is
 * searched on a sample of rows so that they just fit. {@link Config#threshold} gives the paper's
 * {@code tau}, which is raised where its outliers do not fit.
 *
 * @see <a href="https://arxiv.org/abs/2306.03078">Dettmers et al., SpQR, 2023</a>
 */
public final class SpQr implements QuantizationMethod<SpQr.Config> {

  /** What recipes may set. */
  public static final List<String> SETTINGS =
      List.of(
          "group_size",
          "qq_scale_bits",
          "qq_zero_bits",
          "qq_groupsize",
          "outlier_share",
          "outlier_threshold",
          "actorder",
          "block_size",
          "dampening_frac");

  /** Rows that the threshold is searched on, as far as there are so many. */
  private static final int SAMPLE = 128;

  /** Sweeps of the sample; each narrows the threshold. */
  private static final int TRIALS = 6;

  /** What part of the room may be missed without another trial. */
  private static final int ENOUGH = 50;

  /**
   * @param gptq grid of the weights that are no outliers; order, block size and dampening of the
   *     sweep
   * @param share of weights that there is room for as outliers
   * @param threshold the paper's: {@code tau} in units of the mean over inputs of {@code var(W_j) /
   *     U_jj^2}; empty for the {@code tau} that fills the room
   */
  public record Config(Gptq.Config gptq, double share, OptionalDouble threshold)
      implements SolverConfig {

    public Config {
      if (!(share >= 0 && share <= 0.5)) {
        throw new LatheException(
            "SpQR's outlier_share is from 0 to 0.5 (0.01 is usual), not " + share);
      }
      if (threshold.isPresent() && !(threshold.getAsDouble() > 0)) {
        throw new LatheException(
            "SpQR's outlier_threshold is positive (0.2 is usual), not " + threshold.getAsDouble());
      }
    }

    @Override
    public boolean ordersColumns() {
      return gptq.ordersColumns();
    }

    /** Bits of the grid's codes. */
    int bits() {
      return switch (gptq.grid()) {
        case BilevelGrid bilevel -> bilevel.bits();
        case IntegerGrid integers -> integers.scheme().bits();
        default ->
            throw new LatheException("SpQR has no codes of " + gptq.grid().encoding().label());
      };
    }

    Encoding.SparseRows outliers() {
      return new Encoding.SparseRows(share, DType.F16);
    }
  }

  @Override
  public String name() {
    return "spqr";
  }

  @Override
  public Config config(Grid grid, Map<String, ?> settings) {
    if (!(grid instanceof IntegerGrid integers)) {
      throw new LatheException(
          "SpQR has its own grid, of which the scheme tells the bits: W3A16, for example, not "
              + grid.encoding().label());
    }
    var given = new Settings("SpQR", settings, SETTINGS);
    var levels =
        new BilevelGrid(
            integers.scheme().bits(),
            given.integer("group_size", 16),
            given.integer("qq_scale_bits", 3),
            given.integer("qq_zero_bits", 3),
            given.integer("qq_groupsize", 16));
    var gptq =
        new Gptq.Config(
            levels,
            settings.containsKey("actorder")
                ? GptqSettings.order(settings.get("actorder"))
                : ColumnOrder.GROUP,
            given.integer("block_size", 128),
            given.number("dampening_frac", 0.01));
    return new Config(
        gptq,
        given.number("outlier_share", 0.01),
        settings.containsKey("outlier_threshold")
            ? OptionalDouble.of(given.number("outlier_threshold", 0))
            : OptionalDouble.empty());
  }

  @Override
  public Optional<String> refusal(int rows, int columns, Config config) {
    return config.gptq().grid().refusal(columns);
  }

  @Override
  public Encoding encoding(Grid grid, Config config) {
    var dense = dense(config);
    return config.share() == 0 ? dense : new Encoding.Sum(List.of(dense, config.outliers()));
  }

  private static Encoding dense(Config config) {
    boolean permuted = config.gptq().order() == ColumnOrder.GROUP;
    return config.gptq().grid() instanceof BilevelGrid bilevel
        ? bilevel.encoding(permuted)
        : new Gptq().encoding(config.gptq().grid(), config.gptq());
  }

  @Override
  public Set<Statistic> requires() {
    return Set.of(Statistic.GRAM);
  }

  @Override
  public List<Solution> solve(Layer layer, LayerStatistics statistics, List<Config> levels) {
    var factors = new InverseFactors(layer, statistics, "SpQR");
    return levels.stream()
        .map(level -> solve(layer.weight(), factors.of(level.gptq()), level))
        .toList();
  }

  private static Solution solve(Matrix weight, InverseFactor factor, Config level) {
    var sweep = new ColumnSweep(weight, factor, level.gptq());
    if (level.share() == 0) {
      var quantizer = sweep.quantizer();
      sweep.run(quantizer, 0, weight.rows());
      return new Solution(quantizer.finish(), factor.notes("SpQR"));
    }
    var notes = factor.notes("SpQR");
    var quantizer = quantizer(weight, sweep, level);
    int capacity = level.outliers().capacity(weight.rows(), weight.columns());
    float tau = capacity == 0 ? OutlierQuantizer.NONE : threshold(weight, factor, level);
    if (level.threshold().isPresent()) {
      float given = (float) (level.threshold().getAsDouble() * unit(weight, sweep.pivots()));
      if (tau > given) {
        notes.add(
            "more than %s of the weights are above outlier_threshold %s; it was raised to %.3g"
                .formatted(
                    level.share(),
                    level.threshold().getAsDouble(),
                    level.threshold().getAsDouble() * tau / given));
      }
      tau = Math.max(tau, given);
    }
    quantizer.threshold(tau);
    sweep.run(quantizer, 0, weight.rows());
    fit(quantizer, sweep, weight.rows(), tau, capacity);
    return new Solution(quantizer.finish(level.outliers()), notes);
  }

  /**
   * While there are more outliers than room, the last rows are swept again with a higher threshold:
   * as few rows as have eight times as many as are too many.
   */
  private static void fit(
      OutlierQuantizer quantizer, ColumnSweep sweep, int rows, float tau, int capacity) {
    int tall = quantizer.rowsTogether();
    for (int excess; (excess = quantizer.count(0, rows) - capacity) > 0; ) {
      int first = (rows - 1) / tall * tall;
      while (first > 0 && quantizer.count(first, rows) < 8L * excess) {
        first -= tall;
      }
      // Outliers become fewer about with the square of the threshold; too small a step is made up
      // for by the next, while too large a one wastes room.
      double count = quantizer.count(first, rows);
      tau *= (float) Math.max(1.01, Math.sqrt(count / Math.max(1, count - excess)));
      quantizer.forget(first, rows);
      quantizer.threshold(tau);
      sweep.run(quantizer, first, rows);
    }
  }

  /**
   * The threshold, of those tried on rows from all over the matrix, whose outliers come nearest to
   * filling the room. An outlier does not stretch the grid of its group, and with a grid that does
   * not cover it any more it exceeds the threshold by far: so their number is found by trying only.
   * Between trials it is taken for a power of the threshold.
   */
  private static float threshold(Matrix weight, InverseFactor factor, Config level) {
    var sample = sample(weight, level.gptq().grid() instanceof BilevelGrid grid ? grid.tall() : 1);
    int rows = sample.rows();
    int room = Math.max(1, level.outliers().capacity(rows, sample.columns()));
    var sweep = new ColumnSweep(sample, factor, level.gptq());
    var first = quantizer(sample, sweep, level);
    var errors = first.watch();
    sweep.run(first, 0, rows);
    double tau = exceededBy(errors, room);
    double low = Double.NaN;
    double high = Double.NaN;
    double lowCount = 0;
    double highCount = 0;
    double best = tau;
    int nearest = Integer.MAX_VALUE;
    for (int trial = 0; trial < TRIALS && nearest > room / ENOUGH; trial++) {
      var quantizer = quantizer(sample, sweep, level);
      quantizer.threshold((float) tau);
      sweep.run(quantizer, 0, rows);
      int count = quantizer.count(0, rows);
      if (Math.abs(count - room) < nearest) {
        nearest = Math.abs(count - room);
        best = tau;
      }
      if (count > room) {
        low = tau;
        lowCount = count;
      } else {
        high = tau;
        highCount = Math.max(0.5, count);
      }
      if (Double.isNaN(high)) {
        tau = low * lowCount / room;
      } else if (Double.isNaN(low)) {
        tau = high * Math.min(0.9, highCount / room);
      } else {
        double part = Math.log(lowCount / room) / Math.log(lowCount / highCount);
        tau = low * Math.pow(high / low, Math.clamp(part, 0.1, 0.9));
      }
    }
    return (float) best;
  }

  /** The least value that no more than {@code count} of all values exceed, to within 1 %. */
  private static double exceededBy(float[] values, int count) {
    // Of positive floats, the upper bits order them: 7 bits of the fraction are enough.
    var histogram = new int[1 << 15];
    for (float value : values) {
      histogram[Float.floatToRawIntBits(value) >>> 16]++;
    }
    int bucket = histogram.length - 1;
    for (int above = 0; bucket > 0 && above + histogram[bucket] <= count; bucket--) {
      above += histogram[bucket];
    }
    return Math.max(Float.intBitsToFloat(bucket << 16), Float.MIN_NORMAL);
  }

  /** Whole tiles of rows, evenly spaced. */
  private static Matrix sample(Matrix weight, int tall) {
    int tiles = weight.rows() / tall;
    int wanted = Math.ceilDiv(SAMPLE, tall);
    if (tiles <= wanted) {
      return weight;
    }
    int n = weight.columns();
    var sample = Matrix.zeros(wanted * tall, n);
    for (int i = 0; i < wanted; i++) {
      int from = (int) ((long) i * tiles / wanted) * tall * n;
      System.arraycopy(weight.values(), from, sample.values(), i * tall * n, tall * n);
    }
    return sample;
  }

  private static OutlierQuantizer quantizer(Matrix weight, ColumnSweep sweep, Config level) {
    var grid = level.gptq().grid();
    int size = grid.groupSize(weight.columns());
    return new OutlierQuantizer(sweep.quantizer(), weight.rows(), level.bits(), size, sweep);
  }

  /** {@code mean over j of var(W_j) / U_jj^2}, the unit of the paper's threshold. */
  private static double unit(Matrix weight, float[] pivots) {
    double unit = 0;
    for (int j = 0; j < pivots.length; j++) {
      double sum = 0;
      double squares = 0;
      for (int i = 0; i < weight.rows(); i++) {
        sum += weight.at(i, j);
        squares += (double) weight.at(i, j) * weight.at(i, j);
      }
      double mean = sum / weight.rows();
      double variance = (squares - weight.rows() * mean * mean) / Math.max(1, weight.rows() - 1);
      unit += variance / ((double) pivots[j] * pivots[j]);
    }
    return unit / pivots.length;
  }
}

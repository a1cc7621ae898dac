package ai.lathe.compress.quantization;

import ai.lathe.compress.layer.BlockSolver;
import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.quantization.GumbelCodes.Moment;
import ai.lathe.compress.quantization.GumbelCodes.Rates;
import ai.lathe.model.Address;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.Parallel;
import ai.lathe.tensor.linalg.View;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * GSQ: learns which code each weight gets, and the scales, by a Gumbel-softmax over the codes that
 * hardens while it is trained. Made for 2 and 3 bits.
 *
 * <p>Each layer begins as GPTQ leaves it, with scales of either sign. Queries and keys are trained
 * on {@code ||(W - soft) L||^2} with {@code L L^T = H} damped, which is {@code tr((W - soft) H (W -
 * soft)^T)}; everything else of a block on what the block gives out ({@link GsqBlock}). The start
 * is kept where training did not improve on it with hard codes.
 *
 * @see <a href="https://arxiv.org/abs/2604.18556">GSQ, 2026</a>
 */
public final class Gsq implements QuantizationMethod<Gsq.Config>, BlockSolver<Gsq.Config> {

  /** The settings by the names that recipes use. */
  public static final List<String> SETTINGS =
      List.of(
          "objective",
          "steps",
          "layer_steps",
          "batch_tokens",
          "tokens",
          "learning_rate",
          "scale_learning_rate",
          "weight_decay",
          "dampening_frac",
          "seed");

  /** Rows that are trained at once on a Gram matrix: they do not depend on each other. */
  private static final int ROWS = 512;

  /** What layers other than queries and keys are trained on. */
  public enum Objective {
    /** The outputs of attention and of the whole block. */
    BLOCK,
    /** Each layer's own, like queries and keys. */
    LAYER
  }

  /**
   * @param steps of training on a half of a block
   * @param layerSteps of training on a Gram matrix
   * @param batchTokens about as many tokens a step
   * @param tokens most that are trained on; as many as fit are kept apart for validation
   * @param learningRate of logits over all steps together, so that fewer steps are larger ones
   * @param scaleRate of scales over all steps together, in units of a layer's mean scale
   * @param weightDecay of logits
   * @param dampening share of the mean diagonal of {@code H} that is added to it
   */
  public record Config(
      IntegerGrid grid,
      Objective objective,
      int steps,
      int layerSteps,
      int batchTokens,
      int tokens,
      double learningRate,
      double scaleRate,
      double weightDecay,
      double dampening,
      int seed)
      implements SolverConfig {

    public Config {
      if (steps < 1 || layerSteps < 1 || batchTokens < 1 || tokens < 1) {
        throw new LatheException(
            "GSQ's steps, layer_steps, batch_tokens and tokens are at least 1, not %s, %s, %s and %s"
                .formatted(steps, layerSteps, batchTokens, tokens));
      }
      if (!(learningRate > 0 && scaleRate >= 0 && weightDecay >= 0 && dampening >= 0)) {
        throw new LatheException(
            "GSQ's learning_rate is above 0, its other rates, decay and dampening are not below");
      }
    }

    /**
     * The defaults. The paper's rates add up to 0.2 over its 2000 steps on queries and keys; on a
     * block of stories260K at 2 bits 0.2 and 0.3 over 300 steps left 14 % less error of the block's
     * output than 0.06 and 0.05, on text that was not trained on.
     */
    public static Config of(IntegerGrid grid) {
      return new Config(grid, Objective.BLOCK, 300, 500, 1024, 1 << 15, 0.2, 0.3, 1, 0.01, 0);
    }
  }

  @Override
  public String name() {
    return "gsq";
  }

  @Override
  public Config config(Grid grid, Map<String, ?> given) {
    if (!(grid instanceof IntegerGrid integers)) {
      throw new LatheException(
          "GSQ learns codes of integer groups: take a scheme like W2A16, not "
              + grid.encoding().label());
    }
    var settings = new Settings("GSQ", given, SETTINGS);
    var usual = Config.of(signed(integers));
    return new Config(
        usual.grid(),
        settings.choice("objective", usual.objective()),
        settings.integer("steps", usual.steps()),
        settings.integer("layer_steps", usual.layerSteps()),
        settings.integer("batch_tokens", usual.batchTokens()),
        settings.integer("tokens", usual.tokens()),
        settings.number("learning_rate", usual.learningRate()),
        settings.number("scale_learning_rate", usual.scaleRate()),
        settings.number("weight_decay", usual.weightDecay()),
        settings.number("dampening_frac", usual.dampening()),
        settings.integer("seed", usual.seed()));
  }

  private static IntegerGrid signed(IntegerGrid grid) {
    return grid.search() == ScaleSearch.MSE
        ? new IntegerGrid(grid.scheme(), ScaleSearch.SIGNED_MSE, grid.scaleType())
        : grid;
  }

  @Override
  public Set<Statistic> requires() {
    return Set.of(Statistic.GRAM);
  }

  /** By each layer's own objective. */
  @Override
  public List<Solution> solve(Layer layer, LayerStatistics statistics, List<Config> levels) {
    return levels.stream().map(level -> onLayer(layer, statistics, level)).toList();
  }

  @Override
  public Map<Address, Solution> solve(Problem<Config> problem) {
    var solutions = new LinkedHashMap<Address, Solution>();
    var together = new ArrayList<Part<Config>>();
    for (var part : problem.parts()) {
      switch (part.config().objective()) {
        case LAYER ->
            solutions.put(part.address(), onLayer(part.layer(), part.statistics(), part.config()));
        case BLOCK -> together.add(part);
      }
    }
    if (!together.isEmpty()) {
      try (var block = new GsqBlock(problem, together)) {
        solutions.putAll(block.solve());
      }
    }
    return solutions;
  }

  /** Of all that is drawn for a layer. */
  static int seed(Layer layer, Config level) {
    return 31 * level.seed() + layer.name().hashCode();
  }

  /** Where training begins. */
  static Solution start(Layer layer, LayerStatistics statistics, Config level) {
    var config = new Gptq.Config(level.grid(), ColumnOrder.STATIC, 128, level.dampening());
    return new Gptq().solve(layer, statistics, List.of(config)).getFirst();
  }

  /** The moment of a step: temperature falls from 2 to 0.05 and kappa rises from 100 to 500. */
  static Moment moment(int step, int steps) {
    float share = steps == 1 ? 1 : (float) step / (steps - 1);
    return new Moment(step, 2 + share * (0.05f - 2), 100 + share * 400, 1);
  }

  /** A step's share of the learning rates: a cosine that falls to a tenth. */
  static Rates rates(int step, int steps, Config level) {
    double progress = steps == 1 ? 0 : (double) step / (steps - 1);
    double falling = 0.1 + 0.45 * (1 + Math.cos(Math.PI * progress));
    return new Rates(
        (float) (falling * level.learningRate() / steps),
        (float) (falling * level.scaleRate() / steps),
        (float) level.weightDecay());
  }

  static Solution onLayer(Layer layer, LayerStatistics statistics, Config level) {
    var start = start(layer, statistics, level);
    var gram =
        damped(
            statistics
                .gram()
                .orElseThrow(() -> new LatheException(layer.name() + ": GSQ needs a Gram matrix")),
            level.dampening());
    var best = Grouped.of((GroupQuantized) start.weight());
    int kept = 0;
    for (int from = 0; from < best.rows(); from += ROWS) {
      int to = Math.min(from + ROWS, best.rows());
      kept += train(layer, gram, level, best, from, to);
    }
    var notes = new ArrayList<>(start.fallbacks());
    if (kept == best.rows()) {
      notes.add("GSQ did not improve on GPTQ in any row, whose result is kept");
    }
    return new Solution(best.store(level.grid()), notes);
  }

  /**
   * Trains some rows, and puts each that became better in the place of {@code best}'s.
   *
   * @return how many did not
   */
  private static int train(Layer layer, Matrix gram, Config level, Grouped best, int from, int to) {
    var weight = layer.weight();
    int n = weight.columns();
    var original = new Matrix(to - from, n, Arrays.copyOfRange(weight.values(), from * n, to * n));
    var start = best.rows(from, to);
    var codes = new GumbelCodes(start, level.grid(), seed(layer, level) + from);
    var difference = Matrix.zeros(to - from, n);
    var gradient = Matrix.zeros(to - from, n);
    for (int step = 0; step < level.layerSteps(); step++) {
      var moment = moment(step, level.layerSteps());
      codes.soft(moment, difference.values());
      subtract(difference, original);
      Arrays.fill(gradient.values(), 0);
      Gemm.add(View.of(gradient), View.of(difference), View.of(gram));
      codes.update(moment, rates(step, level.layerSteps(), level), gradient.values());
    }
    var hard = codes.hard();
    var before = errors(start, level.grid(), original, gram);
    var after = errors(hard, level.grid(), original, gram);
    int kept = 0;
    for (int row = 0; row < to - from; row++) {
      if (after[row] < before[row]) {
        best.setRow(from + row, hard, row);
      } else {
        kept++;
      }
    }
    return kept;
  }

  private static double[] errors(Grouped codes, IntegerGrid grid, Matrix original, Matrix gram) {
    var difference = codes.store(grid).decode();
    subtract(difference, original);
    return OutputError.energies(difference, gram);
  }

  private static void subtract(Matrix from, Matrix what) {
    int n = from.columns();
    Parallel.forEach(
        from.rows(),
        row -> {
          for (int i = row * n; i < (row + 1) * n; i++) {
            from.values()[i] -= what.values()[i];
          }
        });
  }

  private static Matrix damped(Matrix gram, double share) {
    var h = gram.copy();
    int n = h.rows();
    double trace = 0;
    for (int j = 0; j < n; j++) {
      trace += h.at(j, j);
    }
    for (int j = 0; j < n; j++) {
      h.set(j, j, (float) (h.at(j, j) + share * trace / n));
    }
    return h;
  }
}

package ai.lathe.compress.pruning;

import ai.lathe.compress.layer.BlockSolver;
import ai.lathe.compress.layer.EndToEnd;
import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.quantization.ErrorFeedback;
import ai.lathe.compress.quantization.Gptq;
import ai.lathe.compress.quantization.IntegerGrid;
import ai.lathe.compress.quantization.InverseFactor;
import ai.lathe.compress.quantization.InverseFactors;
import ai.lathe.compress.quantization.ScaleSearch;
import ai.lathe.compress.quantization.Settings;
import ai.lathe.model.Address;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.linalg.Parallel;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * GQSA: groups of 16 inputs of a row are kept or dropped as a whole, and each that is kept has a
 * scale and a zero point of its own; those dropped are not stored at all.
 *
 * <p>A group counts with the sum of {@code w_j^2 / (H^-1)_jj^2}, and of each row the lowest are
 * dropped. Then the weights that stay are rounded in one sweep of error feedback, which makes up
 * for what is dropped too; and, codes as they are, the scales of a row are fitted together to its
 * outputs by least squares. That is where {@link Bqpo} begins, which trains weights, scales and
 * zero points of all layers of a block against what the block gave out.
 *
 * @see <a href="https://arxiv.org/abs/2412.17560">Zeng et al., GQSA, 2024</a>
 */
public final class Gqsa implements PruningMethod<Gqsa.Config>, BlockSolver<Gqsa.Config> {

  /** What recipes may set. */
  public static final List<String> SETTINGS =
      List.of(
          "dampening_frac",
          "fit_scales",
          "epochs",
          "batch_tokens",
          "tokens",
          "learning_rate",
          "scale_learning_rate",
          "weight_decay",
          "seed",
          "e2e_epochs",
          "e2e_batch_tokens",
          "e2e_learning_rate",
          "e2e_objective");

  private static final int GROUP = 16;
  private static final int BITS = 4;
  private static final int BLOCK = 128;

  /**
   * @param sparsity in blocks of one row and whole groups
   * @param grid with a group for each block
   * @param dampening share of the mean diagonal of {@code H} that is added to it
   * @param fitScales whether scales are fitted to the outputs of the layer
   * @param training of the block
   * @param tuning of scales over the whole model
   */
  public record Config(
      Sparsity sparsity,
      IntegerGrid grid,
      double dampening,
      boolean fitScales,
      Bqpo.Settings training,
      EndToEnd tuning)
      implements SolverConfig {

    public Config {
      if (!(dampening >= 0 && dampening <= 1)) {
        throw new LatheException(
            "GQSA's dampening_frac is between 0 and 1 (0.01 is usual), not " + dampening);
      }
    }

    @Override
    public Optional<EndToEnd> endToEnd() {
      return Optional.of(tuning);
    }

    Kept kept() {
      return new Kept.Rounded(grid, Optional.of(Gptq.Config.of(grid)));
    }
  }

  @Override
  public String name() {
    return "gqsa";
  }

  @Override
  public Config config(Sparsity sparsity, Kept kept, Map<String, ?> settings) {
    var given = new Settings("GQSA", settings, SETTINGS);
    int group =
        switch (sparsity.pattern()) {
          case Pattern.Unstructured _ -> GROUP;
          case Pattern.Blocks(int high, int wide) when high == 1 && wide > 1 -> wide;
          case Pattern other ->
              throw new LatheException(
                  "gqsa prunes groups of a row, not %s: take --pattern 1x16"
                      .formatted(other.label()));
        };
    return new Config(
        new Sparsity(sparsity.share(), new Pattern.Blocks(1, group)),
        grid(kept, group),
        given.number("dampening_frac", 0.01),
        given.flag("fit_scales", true),
        new Bqpo.Settings(
            given.integer("epochs", 5),
            given.integer("batch_tokens", 512),
            given.integer("tokens", 1 << 15),
            given.number("learning_rate", 0.3),
            given.number("scale_learning_rate", 0.01),
            given.number("weight_decay", 0),
            given.integer("seed", 0)),
        new EndToEnd(
            given.integer("e2e_epochs", 3),
            given.integer("e2e_batch_tokens", 512),
            given.number("e2e_learning_rate", 0.01),
            given.choice("e2e_objective", EndToEnd.Objective.TEACHER),
            given.integer("seed", 0)));
  }

  private static IntegerGrid grid(Kept kept, int group) {
    return switch (kept) {
      case Kept.Plain(DType type) ->
          new IntegerGrid(
              new IntegerScheme(BITS, group, false, Activations.NONE), ScaleSearch.MSE, type);
      case Kept.Rounded(IntegerGrid(IntegerScheme scheme, var search, DType type), _) ->
          new IntegerGrid(
              new IntegerScheme(scheme.bits(), group, false, scheme.activations()), search, type);
      case Kept.Rounded(var grid, _) ->
          throw new LatheException(
              "gqsa rounds to integers, not to %s: take an integer scheme, for example W4A16"
                  .formatted(grid.encoding().label()));
    };
  }

  @Override
  public Optional<String> refusal(int rows, int columns, Config config) {
    return config.sparsity().pattern().refusal(rows, columns);
  }

  @Override
  public Encoding encoding(Config config, int rows, int columns) {
    long zeros = Selection.zeros(rows, columns, config.sparsity(), Scope.ROW);
    return config.kept().encoding(config.sparsity(), zeros, rows, columns);
  }

  @Override
  public Set<Statistic> requires() {
    return Set.of(Statistic.GRAM);
  }

  @Override
  public List<Solution> solve(Layer layer, LayerStatistics statistics, List<Config> levels) {
    var factors = new InverseFactors(layer, statistics, "GQSA");
    var gram = statistics.gram().orElseThrow();
    return levels.stream()
        .map(level -> solve(layer.weight(), gram, factors.get(false, level.dampening()), level))
        .toList();
  }

  @Override
  public Map<Address, Solution> solve(Problem<Config> problem) {
    var solutions = new LinkedHashMap<Address, Solution>();
    for (var part : problem.parts()) {
      solutions.put(
          part.address(),
          solve(part.layer(), part.statistics(), List.of(part.config())).getFirst());
    }
    var training = problem.parts().getFirst().config().training();
    if (problem.parts().stream().anyMatch(part -> !part.config().training().equals(training))) {
      throw new LatheException(
          "gqsa trains the layers of a block together: give all of block %d the same epochs, rates, tokens and seed"
              .formatted(problem.block()));
    }
    if (training.epochs() == 0) {
      return solutions;
    }
    try (var bqpo = new Bqpo(problem, training, solutions)) {
      return bqpo.solve();
    }
  }

  private static Solution solve(Matrix weight, Matrix gram, InverseFactor factor, Config config) {
    var notes = new ArrayList<>(factor.notes());
    if (factor.upper().isEmpty()) {
      notes.add("groups chosen by magnitude and rounded to nearest instead of GQSA");
    }
    var mask = Selection.keepGreatest(scores(weight, factor), config.sparsity(), Scope.ROW);
    var sweep =
        new PruningSweep(
            weight,
            factor,
            new SparseGpt.Config(
                config.sparsity(),
                config.kept(),
                BLOCK,
                config.dampening(),
                false,
                SparseGpt.Choice.SPARSEGPT),
            Optional.of(mask));
    ErrorFeedback.sweep(
        sweep.weights(), 0, weight.rows(), sweep.upper(), sweep, sweep.blockSize(), sweep.unit());
    var rounded = (GroupQuantized) sweep.quantizer().orElseThrow().finish();
    var fitted =
        config.fitScales() ? ScaleFit.of(weight, gram, rounded, mask, config.grid()) : rounded;
    LinearWeight stored = Pruned.stored(fitted, mask, config.sparsity().pattern());
    return new Solution(stored, List.copyOf(notes));
  }

  /** {@code |w_j| / (H^-1)_jj}, of which a group counts with the sum of the squares. */
  static Matrix scores(Matrix weight, InverseFactor factor) {
    int n = weight.columns();
    var inverse = new float[n];
    java.util.Arrays.fill(inverse, 1);
    factor
        .upper()
        .ifPresent(
            u -> {
              // H^-1 = U^T U, in the order in which inputs are stored.
              for (int j = 0; j < n; j++) {
                double sum = 0;
                for (int i = 0; i <= j; i++) {
                  sum += (double) u.at(i, j) * u.at(i, j);
                }
                inverse[j] = (float) sum;
              }
            });
    var scores = Matrix.zeros(weight.rows(), n);
    Parallel.forEach(
        weight.rows(),
        i -> {
          for (int j = 0; j < n; j++) {
            scores.set(i, j, Math.abs(weight.at(i, j)) / inverse[j]);
          }
        });
    return scores;
  }
}

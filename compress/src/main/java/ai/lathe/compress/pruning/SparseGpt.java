package ai.lathe.compress.pruning;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.quantization.ErrorFeedback;
import ai.lathe.compress.quantization.InverseFactor;
import ai.lathe.compress.quantization.InverseFactors;
import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * SparseGPT: makes weights zero input by input, and moves what each would have contributed into the
 * inputs that are still to come, along the inverse of the Gram matrix {@code H = X X^T}.
 *
 * <p>With {@code (H + damping)^-1 = U^T U}, {@code U} upper triangular, the weight {@code w_j}
 * costs an error of {@code w_j^2 / U_jj^2} in the output, once all that come after it have made up
 * for it. The cheapest become zero: of each block of inputs the same share, over all rows; of n:m
 * the cheapest of every {@code m}, as the weights are when the sweep reaches them. Then
 *
 * <pre>
 *   for each input j:   q_j = keep ? w_j : 0      e_j = (w_j - q_j) / U_jj      w_k -= e_j U_jk  (k > j)
 * </pre>
 *
 * and in the end {@code W - Q = E U}. With a grid, {@code q_j} is {@code round(w_j)} where it is
 * kept: pruned and quantized in one sweep.
 *
 * @see <a href="https://arxiv.org/abs/2301.00774">Frantar and Alistarh, SparseGPT, 2023</a>
 */
public final class SparseGpt implements PruningMethod<SparseGpt.Config> {

  private static final String BLOCK = "block_size";
  private static final String DAMPENING = "dampening_frac";
  private static final String PRESERVE = "preserve_sparsity_mask";
  private static final String MASK = "mask";
  private static final List<String> SETTINGS = List.of(BLOCK, DAMPENING, PRESERVE, MASK);

  /** What chooses the weights that become zero. */
  public enum Choice {
    /** The error that each costs, as the paper has it. */
    SPARSEGPT,
    /** Wanda, before the sweep, which then only makes up for what is lost. */
    WANDA,
    /** The least absolute values of the layer, before the sweep. */
    MAGNITUDE
  }

  /**
   * @param blockSize inputs among whose weights the cheapest are found, and after which the rest of
   *     the row is updated
   * @param dampening share of the mean diagonal of {@code H} that is added to it; raised tenfold
   *     while {@code H} is not positive definite
   * @param preserve whether weights that are zero already stay so
   */
  public record Config(
      Sparsity sparsity,
      Kept kept,
      int blockSize,
      double dampening,
      boolean preserve,
      Choice choice)
      implements SolverConfig {

    public Config {
      if (blockSize < 1) {
        throw new LatheException("SparseGPT's block_size is at least 1, not " + blockSize);
      }
      if (!(dampening >= 0 && dampening <= 1)) {
        throw new LatheException(
            "SparseGPT's dampening_frac is between 0 and 1 (0.01 is usual), not " + dampening);
      }
    }

    /** The paper's: blocks of 128, dampening 0.01. */
    public static Config of(Sparsity sparsity, Kept kept) {
      return new Config(sparsity, kept, 128, 0.01, true, Choice.SPARSEGPT);
    }
  }

  @Override
  public String name() {
    return "sparsegpt";
  }

  @Override
  public Config config(Sparsity sparsity, Kept kept, Map<String, ?> settings) {
    var given = new Settings("SparseGPT", settings, SETTINGS);
    var usual = Config.of(sparsity, kept);
    return new Config(
        sparsity,
        kept,
        given.integer(BLOCK, usual.blockSize()),
        given.number(DAMPENING, usual.dampening()),
        given.flag(PRESERVE, usual.preserve()),
        given.choice(MASK, usual.choice()));
  }

  @Override
  public Optional<String> refusal(int rows, int columns, Config config) {
    return config.sparsity().pattern().refusal(rows, columns);
  }

  @Override
  public Encoding encoding(Config config, int rows, int columns) {
    long zeros = Selection.zeros(rows, columns, config.sparsity(), scope(config));
    return config.kept().encoding(config.sparsity(), zeros, rows, columns);
  }

  private static Scope scope(Config config) {
    return config.choice() == Choice.WANDA ? Scope.ROW : Scope.LAYER;
  }

  @Override
  public Set<Statistic> requires() {
    return Set.of(Statistic.GRAM);
  }

  /** One factorisation serves all levels of the same dampening. */
  @Override
  public List<Solution> solve(Layer layer, LayerStatistics statistics, List<Config> levels) {
    var factors = new InverseFactors(layer, statistics, "SparseGPT");
    var pruned = new Pruned(layer, statistics);
    return levels.stream()
        .map(
            level -> solve(layer, statistics, factors.get(false, level.dampening()), level, pruned))
        .toList();
  }

  private static Solution solve(
      Layer layer, LayerStatistics statistics, InverseFactor factor, Config level, Pruned pruned) {
    var sweep = sweep(layer.weight(), statistics, factor, level);
    var notes = new ArrayList<>(factor.notes());
    if (factor.upper().isEmpty()) {
      notes.add("pruned by magnitude instead of SparseGPT, block by block");
    }
    var pattern = level.sparsity().pattern();
    if (sweep.quantizer().isPresent()) {
      var weight = Pruned.stored(sweep.quantizer().get().finish(), sweep.mask(), pattern);
      return new Solution(weight, notes);
    }
    var rest = pruned.solution(sweep.result(), sweep.mask(), pattern, level.kept());
    notes.addAll(rest.fallbacks());
    return new Solution(rest.weight(), notes);
  }

  /** The whole sweep, done. */
  static PruningSweep sweep(
      Matrix weight, LayerStatistics statistics, InverseFactor factor, Config level) {
    var sweep = new PruningSweep(weight, factor, level, fixed(weight, statistics, level));
    ErrorFeedback.sweep(
        sweep.weights(), 0, weight.rows(), sweep.upper(), sweep, sweep.blockSize(), sweep.unit());
    return sweep;
  }

  /** The mask, where it is chosen before the sweep. */
  private static Optional<Mask> fixed(Matrix weight, LayerStatistics statistics, Config level) {
    var scores =
        switch (level.choice()) {
          case SPARSEGPT -> Optional.<Matrix>empty();
          case MAGNITUDE -> Optional.of(Magnitude.scores(weight));
          case WANDA -> Optional.of(Wanda.scores(weight, statistics.squaredNorm().orElseThrow()));
        };
    return scores.map(s -> Selection.keepGreatest(s, level.sparsity(), scope(level)));
  }
}

package ai.lathe.compress.pruning;

import ai.lathe.compress.factorization.Factors;
import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.quantization.IntegerGrid;
import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.Sum;
import ai.lathe.tensor.linalg.LowRankFit;
import ai.lathe.tensor.linalg.LowRankFit.Metric;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * SLiM: weights rounded with one scale a matrix, half of them zero, and a matrix of low rank beside
 * them for what that loses, inputs counting as large as they are.
 *
 * <pre>
 *   C = mask(Q(W))      L = nearest of rank r to W - C      W ~ mask(Q(W - L)) + L
 * </pre>
 *
 * <p>The mask is Wanda's, of {@code |W_ij| sqrt(m_j)} with {@code m_j} the squared norm of an
 * input; nearness is {@code sum of m_j (W - C - L)_ij^2}. In the end the weights that stay are
 * rounded again, without what {@code L} already has of them.
 *
 * @see <a href="https://arxiv.org/abs/2410.09615">Mozaffari et al., SLiM, 2024</a>
 */
public final class Slim implements PruningMethod<Slim.Config> {

  /** What recipes may set. */
  public static final List<String> SETTINGS =
      List.of("rank_ratio", "rank", "adapter_bits", "scale", "subtract_adapter");

  private static final int ITERATIONS = 12;

  /** Whose scales codes have. */
  public enum Scale {
    /** One for the matrix, as the paper has it: {@link SlimScale}. */
    MATRIX,
    /** Those of the scheme. */
    SCHEME
  }

  /**
   * @param kept how the weights that stay are stored
   * @param rankRatio the rank as a share of the smaller side, where {@code rank} is empty
   * @param factors how the matrix of low rank is stored
   * @param subtract whether weights are rounded again without what the matrix of low rank has
   */
  public record Config(
      Sparsity sparsity,
      Kept kept,
      double rankRatio,
      Optional<Integer> rank,
      Factors factors,
      boolean subtract)
      implements SolverConfig {

    public Config {
      if (!(rankRatio > 0 && rankRatio <= 1)) {
        throw new LatheException(
            "SLiM's rank_ratio is above 0 and at most 1 (0.1 is usual), not " + rankRatio);
      }
      if (rank.isPresent() && rank.get() < 1) {
        throw new LatheException("SLiM's rank is at least 1, not " + rank.get());
      }
    }

    int rank(int rows, int columns) {
      int most = Math.min(rows, columns);
      return rank.orElseGet(() -> Math.clamp(Math.round(rankRatio * most), 1, most));
    }
  }

  @Override
  public String name() {
    return "slim";
  }

  @Override
  public Config config(Sparsity sparsity, Kept kept, Map<String, ?> settings) {
    var given = new Settings("SLiM", settings, SETTINGS);
    boolean whole = given.choice("scale", Scale.MATRIX) == Scale.MATRIX;
    return new Config(
        sparsity,
        whole ? ofMatrix(kept) : kept,
        given.number("rank_ratio", 0.1),
        optional(given, settings, "rank"),
        Factors.of(scaleType(kept), optional(given, settings, "adapter_bits")),
        given.flag("subtract_adapter", true));
  }

  private static Optional<Integer> optional(Settings given, Map<String, ?> settings, String name) {
    return settings.containsKey(name) ? Optional.of(given.integer(name, 0)) : Optional.empty();
  }

  /** Codes with one scale: a row's, which is the same in all rows. */
  private static Kept ofMatrix(Kept kept) {
    if (!(kept instanceof Kept.Rounded(var grid, _))) {
      return kept;
    }
    if (!(grid instanceof IntegerGrid(IntegerScheme scheme, var search, DType type))) {
      throw new LatheException(
          "slim rounds to integers with one scale a matrix, not to %s: take an integer scheme, for example W4A16"
              .formatted(grid.encoding().label()));
    }
    var whole = new IntegerScheme(scheme.bits(), IntegerScheme.CHANNEL, true, scheme.activations());
    return new Kept.Rounded(new IntegerGrid(whole, search, type), Optional.empty());
  }

  private static DType scaleType(Kept kept) {
    return switch (kept) {
      case Kept.Plain(DType type) -> type;
      case Kept.Rounded(IntegerGrid grid, _) -> grid.scaleType();
      case Kept.Rounded _ -> DType.F16;
    };
  }

  @Override
  public Optional<String> refusal(int rows, int columns, Config config) {
    int rank = config.rank(rows, columns);
    return config
        .sparsity()
        .pattern()
        .refusal(rows, columns)
        .or(
            () ->
                rank <= Math.min(rows, columns)
                    ? Optional.empty()
                    : Optional.of(
                        "a %d x %d matrix has no rank of %d".formatted(rows, columns, rank)));
  }

  @Override
  public Encoding encoding(Config config, int rows, int columns) {
    long zeros = Selection.zeros(rows, columns, config.sparsity(), Scope.ROW);
    return new Encoding.Sum(
        List.of(
            config.kept().encoding(config.sparsity(), zeros, rows, columns),
            config.factors().encoding(columns, config.rank(rows, columns))));
  }

  @Override
  public Set<Statistic> requires() {
    return Set.of(Statistic.INPUT_SQUARED_NORM);
  }

  @Override
  public Set<Statistic> requires(Config config) {
    var all = java.util.EnumSet.of(Statistic.INPUT_SQUARED_NORM);
    all.addAll(config.kept().requires());
    return all;
  }

  @Override
  public List<Solution> solve(Layer layer, LayerStatistics statistics, List<Config> levels) {
    layer.requireFinite();
    statistics.requireFinite(layer.name());
    return levels.stream().map(level -> solve(layer, statistics, level)).toList();
  }

  private static Solution solve(Layer layer, LayerStatistics statistics, Config config) {
    var notes = new ArrayList<String>();
    var w = layer.weight();
    var squares = statistics.squaredNorm().orElse(null);
    if (squares == null) {
      notes.add("nothing is known of its inputs: all count alike");
      squares = new float[w.columns()];
      Arrays.fill(squares, 1);
    }
    var mask = Selection.keepGreatest(Wanda.scores(w, squares), config.sparsity(), Scope.ROW);
    var pruned = new Pruned(layer, statistics);
    var first = sparse(w, mask, pruned, config, notes);
    var residual = minus(w, first);
    int rank = config.rank(w.rows(), w.columns());
    var fit = LowRankFit.of(residual, new Metric.Diagonal(squares), rank, ITERATIONS);
    Product low = config.factors().store(fit, residual, Optional.empty());
    var core = config.subtract() ? sparse(minus(w, low), mask, pruned, config, notes) : first;
    return new Solution(new Sum(List.of(core, low)), List.copyOf(notes));
  }

  /** The weights that stay, stored. */
  private static LinearWeight sparse(
      Matrix weight, Mask mask, Pruned pruned, Config config, List<String> notes) {
    var pattern = config.sparsity().pattern();
    if (config.kept() instanceof Kept.Rounded(IntegerGrid grid, var feedback)
        && feedback.isEmpty()
        && grid.scheme().groupSize() == IntegerScheme.CHANNEL) {
      return Pruned.stored(SlimScale.round(weight, mask, grid), mask, pattern);
    }
    var solution = pruned.solution(weight, mask, pattern, config.kept());
    solution.fallbacks().stream().filter(note -> !notes.contains(note)).forEach(notes::add);
    return solution.weight();
  }

  private static Matrix minus(Matrix weight, LinearWeight other) {
    var rest = other.decode();
    for (int i = 0; i < rest.values().length; i++) {
      rest.values()[i] = weight.values()[i] - rest.values()[i];
    }
    return rest;
  }
}

package ai.lathe.compress.compensation;

import ai.lathe.compress.factorization.Factors;
import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerSolver;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Level;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Sum;
import ai.lathe.tensor.linalg.LowRankFit;
import ai.lathe.tensor.linalg.LowRankFit.Metric;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Whatever compresses a layer, and beside it the nearest matrix of low rank to what it lost: {@code
 * W ~ C + B A} with {@code D = W - C} in {@code B A = U U^T D}.
 *
 * <p>The metric is the method. With {@code H = X X^T} it is EoRA: {@code ||(D - B A) X||} is the
 * least possible. Its paper goes by the eigenspace of {@code H}, {@code D Q sqrt(l) = U S V^T} and
 * back by {@code 1 / sqrt(l)}, which small eigenvalues make large; {@link LowRankFit} has the same
 * product without either. With {@code H = I} it is the truncated singular value decomposition.
 *
 * @see <a href="https://arxiv.org/abs/2410.21271">Liu et al., EoRA, 2024</a>
 */
public final class Compensation implements LayerSolver<Compensation.Config> {

  static final int ITERATIONS = 12;

  /** What an error weighs. */
  public enum Method {
    /** As much as it changes the layer's outputs on the calibration data. */
    EORA,
    /** The same wherever it is. */
    SVD;

    /** As {@code --compensate} takes it. */
    public String label() {
      return name().toLowerCase(Locale.ROOT);
    }

    public static List<String> labels() {
      return Stream.of(values()).map(Method::label).toList();
    }

    /** An unknown name is a {@link LatheException} with the nearest one. */
    public static Method named(String name) {
      return Stream.of(values())
          .filter(method -> method.label().equals(name))
          .findFirst()
          .orElseThrow(() -> LatheException.unknown("compensation", name, labels()));
    }
  }

  /**
   * @param compressed compresses the layer
   * @param rank of what is added
   */
  public record Config(Level<?> compressed, Method method, int rank, Factors factors)
      implements SolverConfig {

    public Config {
      requireRank(rank);
    }

    @Override
    public boolean ordersColumns() {
      return compressed.config().ordersColumns();
    }

    @Override
    public boolean shiftsBias() {
      return compressed.config().shiftsBias();
    }

    @Override
    public Optional<Level<?>> base() {
      return Optional.of(compressed);
    }
  }

  /** Throws where a matrix of no shape has this rank. */
  public static void requireRank(int rank) {
    if (rank < 1) {
      throw new LatheException("a rank is at least 1 (32 is usual), not " + rank);
    }
  }

  /** Why a matrix of this shape cannot be compensated so; empty where it can. */
  public static Optional<String> refusal(int rows, int columns, int rank) {
    return rank <= Math.min(rows, columns)
        ? Optional.empty()
        : Optional.of(
            "a %d x %d matrix has a rank of %d at most, not %d"
                .formatted(rows, columns, Math.min(rows, columns), rank));
  }

  /**
   * How the result is stored.
   *
   * @param base of what is compensated
   */
  public static Encoding.Sum encoding(Encoding base, int columns, int rank, Factors factors) {
    return new Encoding.Sum(List.of(base, factors.encoding(columns, rank)));
  }

  @Override
  public Set<Statistic> requires() {
    return Set.of();
  }

  @Override
  public Set<Statistic> requires(Config config) {
    var all = EnumSet.noneOf(Statistic.class);
    all.addAll(config.compressed().requires());
    if (config.method() == Method.EORA) {
      all.add(Statistic.GRAM);
    }
    return all;
  }

  @Override
  public List<Solution> solve(Layer layer, LayerStatistics statistics, List<Config> levels) {
    return levels.stream()
        .map(level -> add(level, layer, statistics, level.compressed().solve(layer, statistics)))
        .toList();
  }

  /**
   * A solution with what it lost added.
   *
   * @param base of the same layer
   */
  public static Solution add(
      Config config, Layer layer, LayerStatistics statistics, Solution base) {
    layer.requireFinite();
    statistics.requireFinite(layer.name());
    var notes = new ArrayList<>(base.fallbacks());
    var metric = Metric.PLAIN;
    if (config.method() == Method.EORA) {
      if (statistics.gram().isPresent()) {
        metric = new Metric.Full(statistics.gram().get());
      } else {
        notes.add("nothing is known of its inputs: compensated by svd instead of eora");
      }
    }
    var residual = residual(layer.weight(), base.weight());
    var fit = LowRankFit.of(residual, metric, config.rank(), ITERATIONS);
    var inputs = config.factors().inputs(layer, statistics, metric);
    var low = config.factors().store(fit, residual, inputs);
    var sum = new Solution(new Sum(List.of(base.weight(), low)), List.copyOf(notes));
    return base.shift().isPresent()
        ? sum.keepingMean(layer.weight(), statistics.mean().orElseThrow())
        : sum;
  }

  /** {@code W - C}. */
  static Matrix residual(Matrix weight, LinearWeight compressed) {
    var residual = compressed.decode();
    for (int i = 0; i < residual.values().length; i++) {
      residual.values()[i] = weight.values()[i] - residual.values()[i];
    }
    return residual;
  }
}

package ai.lathe.compress.quantization;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Parallel;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Rounds each weight to the nearest value of the grid. Needs no calibration; but where the mean
 * squares of the inputs are known, the grid itself can be fitted to what matters: the error of
 * {@code y = W x} is {@code sum of H_jj e_j^2} where inputs are uncorrelated.
 */
public final class Rtn implements QuantizationMethod<Rtn.Config> {

  private static final String IMPORTANCE = "importance";

  /**
   * Everything that a level is.
   *
   * @param importance whether errors are weighed by the squared norms of their inputs where the
   *     grid is fitted, as llama.cpp does with an importance matrix
   */
  public record Config(Grid grid, boolean importance) implements SolverConfig {

    public Config {
      if (importance && !grid.weighsErrors()) {
        throw new LatheException(
            "%s does not weigh errors by importance; GGUF's types do"
                .formatted(grid.encoding().label()));
      }
    }

    /** Every weight counts alike. */
    public Config(Grid grid) {
      this(grid, false);
    }
  }

  @Override
  public String name() {
    return "rtn";
  }

  @Override
  public Config config(Grid grid, Map<String, ?> settings) {
    for (var key : settings.keySet()) {
      if (!key.equals(IMPORTANCE)) {
        throw LatheException.unknown("setting of rounding to nearest", key, List.of(IMPORTANCE));
      }
    }
    var importance = settings.containsKey(IMPORTANCE) ? settings.get(IMPORTANCE) : false;
    return switch (String.valueOf(importance)) {
      case "true" -> new Config(grid, true);
      case "false" -> new Config(grid);
      default -> throw new LatheException("importance is true or false, not '" + importance + "'");
    };
  }

  @Override
  public Set<Statistic> requires() {
    return Set.of();
  }

  @Override
  public Set<Statistic> requires(Config config) {
    return config.importance() ? Set.of(Statistic.INPUT_SQUARED_NORM) : Set.of();
  }

  @Override
  public List<Solution> solve(Layer layer, LayerStatistics statistics, List<Config> levels) {
    layer.requireFinite();
    return levels.stream().map(level -> solve(layer, statistics, level)).toList();
  }

  private static Solution solve(Layer layer, LayerStatistics statistics, Config level) {
    if (!level.importance()) {
      return new Solution(round(layer.weight(), level.grid(), null), List.of());
    }
    statistics.requireFinite(layer.name());
    var notes =
        statistics.squaredNorm().isPresent()
            ? List.<String>of()
            : List.of("nothing is known of its inputs: rounded without importance");
    var importance = statistics.squaredNorm().orElse(null);
    return new Solution(round(layer.weight(), level.grid(), importance), notes);
  }

  /**
   * @param importance of each input's squared error, {@code [in]}; null where all count alike
   */
  static LinearWeight round(Matrix weight, Grid grid, float[] importance) {
    int columns = weight.columns();
    var quantizer = grid.quantizer(weight.rows(), columns, null, importance);
    quantizer.prepare(weight);
    fit(weight, 0, weight.rows(), grid.groupSize(columns), quantizer);
    Parallel.forEach(
        weight.rows(),
        row -> {
          for (int j = 0; j < columns; j++) {
            quantizer.round(row, j, weight.at(row, j));
          }
        });
    return quantizer.finish();
  }

  /** Each weight rounded by itself, groups of neighbours sharing their parameters. */
  public static LinearWeight round(Matrix weight, Grid grid) {
    return round(weight, grid, null);
  }

  /** Fits all groups of {@code size} neighbours of some rows to the weights as they are. */
  static void fit(Matrix weight, int first, int last, int size, Quantizer quantizer) {
    int n = weight.columns();
    int tall = quantizer.rowsTogether();
    Parallel.forEach(
        Math.ceilDiv(last - first, tall),
        tile -> {
          int from = first + tile * tall;
          int to = Math.min(from + tall, last);
          for (int j = 0; j < n; j += size) {
            quantizer.fit(from, to, j / size, weight.values(), from * n + j, n);
          }
        });
  }
}

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

/** Rounds each weight to the nearest value of the grid. Needs no calibration. */
public final class Rtn implements QuantizationMethod<Rtn.Config> {

  /** Everything that a level is. */
  public record Config(Grid grid) implements SolverConfig {}

  @Override
  public String name() {
    return "rtn";
  }

  @Override
  public Config config(Grid grid, Map<String, ?> settings) {
    for (var key : settings.keySet()) {
      throw new LatheException("rounding to nearest has no settings, so no '" + key + "'");
    }
    return new Config(grid);
  }

  @Override
  public Set<Statistic> requires() {
    return Set.of();
  }

  @Override
  public List<Solution> solve(Layer layer, LayerStatistics statistics, List<Config> levels) {
    layer.requireFinite();
    return levels.stream()
        .map(level -> new Solution(round(layer.weight(), level.grid()), List.of()))
        .toList();
  }

  /** Each weight rounded by itself, groups of neighbours sharing their parameters. */
  public static LinearWeight round(Matrix weight, Grid grid) {
    int columns = weight.columns();
    var quantizer = grid.quantizer(weight.rows(), columns, null, null);
    quantizer.prepare(weight);
    int size = grid.groupSize(columns);
    Parallel.forEach(
        weight.rows(),
        row -> {
          for (int j = 0; j < columns; j++) {
            if (j % size == 0) {
              quantizer.fit(row, j / size, weight.values(), row * columns + j);
            }
            quantizer.round(row, j, weight.at(row, j));
          }
        });
    return quantizer.finish();
  }
}

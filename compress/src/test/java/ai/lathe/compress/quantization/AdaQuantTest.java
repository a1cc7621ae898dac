package ai.lathe.compress.quantization;

import static ai.lathe.compress.quantization.Problems.grid;
import static ai.lathe.compress.quantization.Problems.layer;
import static ai.lathe.compress.quantization.Problems.statistics;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.quantization.AdaQuant.Config;
import ai.lathe.compress.quantization.AdaQuant.Start;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.block.BlockTypes;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AdaQuantTest {

  @ParameterizedTest
  @CsvSource({
    "2, 32, true",
    "3, 32, true",
    "4, 64, true",
    "8, 32, true",
    "2, 32, false",
    "4, 32, false",
    "8, 0, false"
  })
  void losesLessThanGptqOnEveryRow(int bits, int groupSize, boolean symmetric) {
    var layer = layer(24, 128, 1);
    var statistics = statistics(128, 2);
    var grid = grid(bits, groupSize, symmetric, ScaleSearch.MSE);
    var gptq = new Gptq().solve(layer, statistics, List.of(Gptq.Config.of(grid))).getFirst();
    var start = (GroupQuantized) gptq.weight();
    var trained = solve(layer, statistics, Config.of(grid));

    double before = 0;
    double after = 0;
    for (int row = 0; row < 24; row++) {
      double rowBefore = loss(layer, statistics, start, row);
      double rowAfter = loss(layer, statistics, trained, row);
      assertThat(rowAfter).as("row %d", row).isLessThanOrEqualTo(rowBefore * (1 + 1e-4));
      before += rowBefore;
      after += rowAfter;
    }
    // At 8 bits GPTQ leaves little to gain.
    assertThat(after).isLessThan((bits == 8 ? 1 : 0.99) * before);
    for (byte code : trained.codes()) {
      assertThat((int) code).isBetween(grid.scheme().min(), grid.scheme().max());
    }
  }

  @Test
  void withoutStepsTheStartIsTheResult() {
    var layer = layer(8, 64, 3);
    var statistics = statistics(64, 4);
    for (boolean symmetric : new boolean[] {true, false}) {
      var grid = grid(4, 32, symmetric, ScaleSearch.MSE);
      var rounded = (GroupQuantized) Rtn.round(layer.weight(), grid);
      var result = solve(layer, statistics, new Config(grid, Start.RTN, 0, 0.001, 0.003));
      assertThat(result.codes()).isEqualTo(rounded.codes());
      assertThat(result.scales().toFloats()).isEqualTo(rounded.scales().toFloats());
      assertThat(result.zeros()).isEqualTo(rounded.zeros());
    }
  }

  /** More rows than are trained at once, and the same bytes each time. */
  @Test
  void rowsAreIndependentOfThoseTrainedWithThem() {
    var layer = layer(516, 32, 5);
    var statistics = statistics(32, 6);
    var config = new Config(grid(3, 16, false, ScaleSearch.MSE), Start.GPTQ, 20, 0.002, 0.003);
    var all = solve(layer, statistics, config);
    var again = solve(layer, statistics, config);
    assertThat(again.codes()).isEqualTo(all.codes());
    assertThat(again.scales().toFloats()).isEqualTo(all.scales().toFloats());

    var last = Arrays.copyOfRange(layer.weight().values(), 515 * 32, 516 * 32);
    var alone = solve(new Layer("last", new Matrix(1, 32, last)), statistics, config);
    assertThat(alone.codes()).isEqualTo(Arrays.copyOfRange(all.codes(), 515 * 32, 516 * 32));
  }

  @Test
  void inputsThatWereNeverSeenAreNoReasonToFail() {
    var layer = layer(4, 32, 7);
    var nothing = LayerStatistics.of(10, Matrix.zeros(32, 32));
    var grid = grid(4, 32, true);
    var result = solve(layer, nothing, Config.of(grid));
    assertThat(result.codes())
        .isEqualTo(((GroupQuantized) Rtn.round(layer.weight(), grid)).codes());
  }

  @Test
  void settingsAreRead() {
    var grid = grid(4, 32, true);
    var config =
        new AdaQuant()
            .config(grid, Map.of("start", "rtn", "steps", "7", "scale_learning_rate", 0.5));
    assertThat(config).isEqualTo(new Config(grid, Start.RTN, 7, 0.001, 0.5));
    assertThatThrownBy(() -> new AdaQuant().config(grid, Map.of("step", 7)))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("did you mean 'steps'?");
    assertThatThrownBy(() -> new AdaQuant().config(grid, Map.of("steps", "many")))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("'many'");
    assertThatThrownBy(() -> new AdaQuant().config(grid, Map.of("steps", 1.5)))
        .isInstanceOf(LatheException.class);
    assertThatThrownBy(() -> new AdaQuant().config(new BlockGrid(BlockTypes.Q4_K), Map.of()))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("Q4_K");
  }

  private static GroupQuantized solve(Layer layer, LayerStatistics statistics, Config config) {
    return (GroupQuantized)
        new AdaQuant().solve(layer, statistics, List.of(config)).getFirst().weight();
  }

  /** {@code ||(w - q) X||^2} of a row. */
  private static double loss(Layer layer, LayerStatistics statistics, GroupQuantized q, int row) {
    var gram = statistics.gram().orElseThrow();
    int n = gram.rows();
    var d = new float[n];
    q.decodeRows(row, row + 1, d, 0);
    for (int j = 0; j < n; j++) {
      d[j] -= layer.weight().at(row, j);
    }
    double sum = 0;
    for (int j = 0; j < n; j++) {
      for (int k = 0; k < n; k++) {
        sum += (double) d[j] * gram.at(j, k) * d[k];
      }
    }
    return sum;
  }
}

package ai.lathe.compress.quantization;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.FloatScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Rotated;
import ai.lathe.tensor.linalg.Hadamard;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class MrGptqTest {

  private final MrGptq method = new MrGptq();

  private static FloatGrid grid(FloatScheme scheme) {
    return new FloatGrid(scheme, ScaleSearch.MSE, DType.F32);
  }

  private static double error(Layer layer, LayerStatistics statistics, Rotated solved) {
    return OutputError.relative(layer.weight(), solved, statistics.gram().orElseThrow());
  }

  private Rotated solve(Layer layer, LayerStatistics statistics, MrGptq.Config config) {
    return (Rotated) method.solve(layer, statistics, List.of(config)).getFirst().weight();
  }

  /** A group that holds one large weight has few levels left for the others. */
  @Test
  void losesLessThanGptqWhereSomeWeightsAreLarge() {
    var layer = Problems.layer(48, 128, 3);
    for (int i = 0; i < 48; i++) {
      for (int group = 0; group < 4; group++) {
        layer.weight().set(i, group * 32 + i * 7 % 32, 9);
      }
    }
    var statistics = Problems.statistics(128, 5);
    var grid = grid(FloatScheme.mxfp4(Activations.NONE));
    var plain = Gptq.Config.of(grid);
    var gptq = new Gptq().solve(layer, statistics, List.of(plain)).getFirst().weight();
    double before = OutputError.relative(layer.weight(), gptq, statistics.gram().orElseThrow());
    double after =
        error(layer, statistics, solve(layer, statistics, new MrGptq.Config(128, plain)));
    assertThat(after).isLessThan(0.9 * before);
  }

  /** It is GPTQ of the rotated problem, turned back. */
  @Test
  void isGptqOfTheRotatedLayer() {
    var layer = Problems.layer(16, 64, 7);
    var statistics = Problems.statistics(64, 9);
    var plain = Gptq.Config.of(grid(FloatScheme.nvfp4(Activations.NONE)));
    var solved = solve(layer, statistics, new MrGptq.Config(32, plain));

    var weight = layer.weight().copy();
    var gram = statistics.gram().orElseThrow().copy();
    Hadamard.rotateInputs(weight, 32);
    Hadamard.rotateGram(gram, 32);
    var turned =
        new Gptq()
            .solve(new Layer("l", weight), LayerStatistics.of(1, gram), List.of(plain))
            .getFirst()
            .weight();
    assertThat(solved.inner().decode().values()).isEqualTo(turned.decode().values());
    // The error of the rotated problem is that of the layer itself.
    assertThat(error(layer, statistics, solved))
        .isCloseTo(OutputError.relative(weight, turned, gram), within(1e-5));
  }

  @Test
  void levelsOfSeveralSizesComeBackInOrder() {
    var layer = Problems.layer(8, 64, 7);
    var statistics = Problems.statistics(64, 9);
    var plain = Gptq.Config.of(grid(FloatScheme.mxfp4(Activations.NONE)));
    var levels =
        List.of(
            new MrGptq.Config(16, plain),
            new MrGptq.Config(64, plain),
            new MrGptq.Config(16, plain));
    var sizes =
        method.solve(layer, statistics, levels).stream()
            .map(solution -> ((Rotated) solution.weight()).size())
            .toList();
    assertThat(sizes).containsExactly(16, 64, 16);
  }

  @Test
  void theBlockIsTheLargestThatDividesTheRow() {
    var grid = grid(FloatScheme.nvfp4(Activations.NVFP4));
    var config = method.config(grid, Map.of());
    assertThat(config.size()).isEqualTo(128);
    assertThat(method.fitted(8, 576, config).size()).isEqualTo(64);
    assertThat(method.fitted(8, 1536, config).size()).isEqualTo(128);
    assertThat(method.encoding(grid, method.fitted(8, 576, config)))
        .isEqualTo(new Encoding.Rotated(64, grid.encoding()));
    assertThat(method.refusal(8, 172, method.fitted(8, 172, config)))
        .contains("Hadamard blocks of 16 do not divide rows of 172");
    assertThat(method.refusal(8, 576, method.fitted(8, 576, config))).isEmpty();
    assertThatThrownBy(() -> method.config(grid, Map.of("transform_block_size", "96")))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("a power of two from 16 to 1024, not 96");
    assertThat(method.config(grid, Map.of("transform_block_size", 32, "dampening_frac", 0.02)))
        .isEqualTo(new MrGptq.Config(32, new Gptq.Config(grid, ColumnOrder.STATIC, 128, 0.02)));
  }
}

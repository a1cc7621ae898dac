package ai.lathe.compress.quantization;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.compress.layer.RandomLayers;
import ai.lathe.compress.recipe.Scheme;
import ai.lathe.compress.recipe.Schemes;
import ai.lathe.compress.report.WeightError;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.FloatQuantized;
import ai.lathe.tensor.FloatScheme;
import ai.lathe.tensor.FloatType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.ScaleTile;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class FloatGridTest {

  private static FloatGrid grid(FloatScheme scheme, ScaleSearch search) {
    return new FloatGrid(scheme, search, DType.F32);
  }

  static Stream<FloatScheme> schemes() {
    return Stream.of(
        FloatScheme.fp8(ScaleTile.TENSOR, Activations.NONE),
        FloatScheme.fp8(ScaleTile.CHANNEL, Activations.NONE),
        FloatScheme.fp8(new ScaleTile(16, 48), Activations.NONE),
        FloatScheme.mxfp8(Activations.NONE),
        FloatScheme.mxfp4(Activations.NONE),
        FloatScheme.nvfp4(Activations.NONE));
  }

  private static double error(Matrix weight, FloatScheme scheme, ScaleSearch search) {
    return WeightError.of(weight, Rtn.round(weight, grid(scheme, search))).relative();
  }

  @ParameterizedTest
  @MethodSource("schemes")
  void everyWeightIsTheNearestOfItsTile(FloatScheme scheme) {
    var weight = RandomLayers.gaussian(40, 96, 3);
    var rounded = (FloatQuantized) Rtn.round(weight, grid(scheme, ScaleSearch.MSE));
    var decoded = rounded.decode();
    var scales = rounded.scales().toFloats();
    var tile = scheme.tile();
    int high = tile.rows() == 0 ? 40 : tile.rows();
    int wide = tile.columns() == 0 ? 96 : tile.columns();
    for (int i = 0; i < 40; i++) {
      for (int j = 0; j < 96; j++) {
        float scale = scales[i / high * tile.across(96) + j / wide] / rounded.globalScale();
        float nearest = scheme.type().round(weight.at(i, j) / scale) * scale;
        assertThat(decoded.at(i, j)).isEqualTo(nearest);
      }
    }
    assertThat(rounded.encoding()).isEqualTo(grid(scheme, ScaleSearch.MSE).encoding());
  }

  @ParameterizedTest
  @MethodSource("schemes")
  void searchedScalesLoseLess(FloatScheme scheme) {
    var weight = RandomLayers.gaussian(64, 192, 5);
    double usual = error(weight, scheme, ScaleSearch.MIN_MAX);
    double searched = error(weight, scheme, ScaleSearch.MSE);
    if (scheme.equals(FloatScheme.mxfp8(Activations.NONE))) {
      // A power of two changes nothing in a floating type that is far from both its ends.
      assertThat(searched).isEqualTo(usual);
    } else {
      assertThat(searched).isLessThan(usual);
    }
  }

  /** Where scales are free to move; powers of two and a single scale leave less to find. */
  @Test
  void searchedScalesOfRowsAndGroupsLoseATenthLess() {
    var weight = RandomLayers.gaussian(64, 576, 5);
    for (var scheme :
        List.of(
            FloatScheme.fp8(ScaleTile.CHANNEL, Activations.NONE),
            FloatScheme.nvfp4(Activations.NONE))) {
      assertThat(error(weight, scheme, ScaleSearch.MSE))
          .isLessThan(0.9 * error(weight, scheme, ScaleSearch.MIN_MAX));
    }
  }

  @Test
  void finerTilesLoseLess() {
    var weight = RandomLayers.gaussian(64, 192, 7);
    for (int i = 0; i < 64; i++) {
      for (int j = 0; j < 192; j++) {
        weight.set(i, j, weight.at(i, j) * (1 + i % 7) * (float) Math.exp(j / 32 % 3));
      }
    }
    double nvfp4 = error(weight, FloatScheme.nvfp4(Activations.NONE), ScaleSearch.MSE);
    double mxfp4 = error(weight, FloatScheme.mxfp4(Activations.NONE), ScaleSearch.MSE);
    assertThat(nvfp4).isLessThan(0.8 * mxfp4);
    double mxfp8 = error(weight, FloatScheme.mxfp8(Activations.NONE), ScaleSearch.MSE);
    assertThat(mxfp8).isLessThan(0.1 * mxfp4);
  }

  /** The rules of compressed-tensors, by hand. */
  @Test
  void plainScalesAreThoseOfTheField() {
    var weight = new Matrix(2, 32, new float[64]);
    weight.set(0, 3, -3.4f);
    weight.set(0, 20, 1);
    weight.set(1, 5, 3.6f);
    var mx =
        (FloatQuantized)
            Rtn.round(weight, grid(FloatScheme.mxfp4(Activations.NONE), ScaleSearch.MIN_MAX));
    // Below 7/4 of a power of two it becomes 4 to 7, from there on 3.5 to 4.
    assertThat(mx.scales().toFloats()).containsExactly(0.5f, 1f);
    assertThat(mx.decode().at(0, 3)).isEqualTo(-3f);
    var nv =
        (FloatQuantized)
            Rtn.round(weight, grid(FloatScheme.nvfp4(Activations.NONE), ScaleSearch.MIN_MAX));
    assertThat(nv.globalScale()).isEqualTo(448 * 6 / 3.6f);
    float first = FloatType.E4M3.round(nv.globalScale() * (3.4f / 6));
    float second = FloatType.E4M3.round(nv.globalScale() * (1f / 6));
    assertThat(nv.scales().toFloats()).containsExactly(first, second, 448, 1);
    var channel =
        (FloatQuantized)
            Rtn.round(
                weight,
                grid(FloatScheme.fp8(ScaleTile.CHANNEL, Activations.NONE), ScaleSearch.MIN_MAX));
    assertThat(channel.scales().toFloats()).containsExactly(3.4f / 448, 3.6f / 448);
  }

  @ParameterizedTest
  @MethodSource("schemes")
  void extremeWeightsStayFinite(FloatScheme scheme) {
    for (float size : new float[] {0, 1e-30f, 1e30f}) {
      var weight = RandomLayers.gaussian(4, 96, 9);
      for (int i = 0; i < weight.values().length; i++) {
        weight.values()[i] *= i % 96 < 32 ? size : 1;
      }
      for (var search : List.of(ScaleSearch.MSE, ScaleSearch.MIN_MAX)) {
        for (float value : Rtn.round(weight, grid(scheme, search)).decode().values()) {
          assertThat(value).isFinite();
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("schemes")
  void gptqLosesLessThanRounding(FloatScheme scheme) {
    var layer = Problems.layer(48, 96, 11);
    var statistics = Problems.statistics(96, 13);
    var grid = grid(scheme, ScaleSearch.MSE);
    var gram = statistics.gram().orElseThrow();
    double rtn = OutputError.relative(layer.weight(), Rtn.round(layer.weight(), grid), gram);
    for (var order : List.of(ColumnOrder.STATIC, ColumnOrder.NONE)) {
      var config = new Gptq.Config(grid, order, 128, 0.01);
      var solved = new Gptq().solve(layer, statistics, List.of(config)).getFirst().weight();
      assertThat(OutputError.relative(layer.weight(), solved, gram)).isLessThan(0.8 * rtn);
    }
  }

  @Test
  void importanceMovesTheScale() {
    var weight = RandomLayers.gaussian(1, 32, 17);
    var importance = new float[32];
    importance[4] = 1;
    var grid = grid(FloatScheme.nvfp4(Activations.NONE), ScaleSearch.MSE);
    var quantizer = grid.quantizer(1, 32, null, importance);
    quantizer.prepare(weight);
    for (int group = 0; group < 2; group++) {
      quantizer.fit(0, group, weight.values(), group * 16);
    }
    float alone = Math.abs(quantizer.round(0, 4, weight.at(0, 4)) - weight.at(0, 4));
    float usual = Math.abs(Rtn.round(weight, grid).decode().at(0, 4) - weight.at(0, 4));
    assertThat(alone).isLessThan(usual);
  }

  @Test
  void rowsThatGroupsDoNotDivideGetFp8() {
    var mxfp4 = grid(FloatScheme.mxfp4(Activations.MXFP4), ScaleSearch.MSE);
    assertThat(mxfp4.forColumns(172).scheme())
        .isEqualTo(FloatScheme.fp8(ScaleTile.CHANNEL, Activations.FP8_TOKEN));
    assertThat(mxfp4.forColumns(192)).isSameAs(mxfp4);
    var alone = grid(FloatScheme.nvfp4(Activations.NONE), ScaleSearch.MSE);
    assertThat(alone.forColumns(172).scheme())
        .isEqualTo(FloatScheme.fp8(ScaleTile.CHANNEL, Activations.NONE));
    assertThatThrownBy(() -> alone.quantizer(4, 172, null, null))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("groups of 16 do not divide rows of 172");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "FP8",
        "FP8_DYNAMIC",
        "FP8_BLOCK",
        "MXFP8",
        "MXFP8A16",
        "MXFP4",
        "MXFP4A16",
        "NVFP4",
        "NVFP4A16",
        "MXFP4XFP8",
        "W8A8-FP"
      })
  void presetsAreFloats(String name) {
    var scheme = Schemes.named(name);
    assertThat(scheme).isInstanceOf(Scheme.Floats.class);
    assertThat(scheme.activations() instanceof Activations.None).isEqualTo(name.endsWith("A16"));
  }
}

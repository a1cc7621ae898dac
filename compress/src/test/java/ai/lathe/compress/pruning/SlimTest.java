package ai.lathe.compress.pruning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.layer.RandomLayers;
import ai.lathe.compress.quantization.IntegerGrid;
import ai.lathe.compress.quantization.ScaleSearch;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Sum;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class SlimTest {

  private static final Sparsity HALF = new Sparsity(0.5, new Pattern.SemiStructured(2, 4));
  private static final PaperLayers LAYER = PaperLayers.of(40, 64, 5);

  private static Kept int4(DType type) {
    var scheme = new IntegerScheme(4, 32, true, Activations.NONE);
    return new Kept.Rounded(new IntegerGrid(scheme, ScaleSearch.MSE, type), Optional.empty());
  }

  private static LinearWeight solve(Kept kept, Map<String, ?> settings) {
    var slim = new Slim();
    var config = slim.config(HALF, kept, settings);
    var weight = slim.solve(LAYER.layer(), LAYER.statistics(), List.of(config)).getFirst().weight();
    assertThat(weight.encoding()).isEqualTo(slim.encoding(config, 40, 64));
    return weight;
  }

  @Test
  void theFullRankGivesTheWeightBackWhereTheAdapterIsNotSubtracted() {
    var weight = solve(int4(DType.F32), Map.of("rank_ratio", 1, "subtract_adapter", false));
    var decoded = weight.decode();
    for (int i = 0; i < decoded.values().length; i++) {
      assertThat(decoded.values()[i]).isCloseTo(LAYER.weight().values()[i], within(2e-4f));
    }
  }

  /** Before the weights are rounded again: {@code sum of dropped S^2}. */
  @Test
  void whatTheAdapterLeavesIsTheSumOfTheSquaresThatWereDropped() {
    var weight = (Sum) solve(int4(DType.F32), Map.of("rank", 6, "subtract_adapter", false));
    var core = weight.parts().getFirst().decode();
    var squares = LAYER.statistics().squaredNorm().orElseThrow();
    var inner = new double[40][40];
    for (int i = 0; i < 40; i++) {
      for (int k = 0; k < 40; k++) {
        for (int j = 0; j < 64; j++) {
          inner[i][k] +=
              (double) (LAYER.weight().at(i, j) - core.at(i, j))
                  * squares[j]
                  * (LAYER.weight().at(k, j) - core.at(k, j));
        }
      }
    }
    var values = ai.lathe.tensor.linalg.SymmetricEigen.of(inner).values();
    double dropped = 0;
    for (int k = 6; k < 40; k++) {
      dropped += values[k];
    }
    assertThat(LAYER.weighted(weight)).isCloseTo(dropped, within(5e-3 * dropped));
  }

  @Test
  void everyStepLosesLess() {
    double without = LAYER.weighted(((Sum) solve(int4(DType.F16), Map.of())).parts().getFirst());
    double adapter = LAYER.weighted(solve(int4(DType.F16), Map.of("subtract_adapter", false)));
    double again = LAYER.weighted(solve(int4(DType.F16), Map.of()));
    double codes = LAYER.weighted(solve(int4(DType.F16), Map.of("adapter_bits", 4)));
    assertThat(adapter).isLessThan(without);
    assertThat(again).isLessThan(adapter);
    assertThat(codes).isLessThan(without);
  }

  @Test
  void weightsThatAreNotRoundedArePrunedAndCompensated() {
    var weight = (Sum) solve(new Kept.Plain(DType.BF16), Map.of("rank", 4));
    var core = (Sparse) weight.parts().getFirst();
    assertThat(core.encoding().label()).isEqualTo("2:4 BF16");
    var mask =
        Selection.keepGreatest(
            Wanda.scores(LAYER.weight(), LAYER.statistics().squaredNorm().orElseThrow()),
            HALF,
            Scope.ROW);
    assertThat(core.mask()).isEqualTo(mask);
  }

  @Test
  void oneScaleServesTheWholeMatrix() {
    var core = (Sparse) ((Sum) solve(int4(DType.F16), Map.of())).parts().getFirst();
    var scales = ((Sparse.Values.Codes) core.values()).scales().toFloats();
    assertThat(scales).hasSize(40).containsOnly(scales[0]);
    var grouped =
        (Sparse) ((Sum) solve(int4(DType.F16), Map.of("scale", "scheme"))).parts().getFirst();
    assertThat(grouped.encoding().label()).isEqualTo("2:4 int4 g32");
  }

  /** Against all caps at once, each weight rounded by itself. */
  @Test
  void noOtherCapRoundsMuchBetter() {
    for (int high : new int[] {1, 3, 7}) {
      var weight = RandomLayers.gaussian(100, 100, high);
      var all = Mask.of(weight);
      double chosen = error(weight, SlimScale.step(weight, all, high), high);
      double least = Double.POSITIVE_INFINITY;
      for (double cap = 0.05; cap < 5; cap += 0.05) {
        least = Math.min(least, error(weight, cap / high, high));
      }
      assertThat(chosen).isLessThan(1.01 * least);
    }
  }

  private static double error(Matrix weight, double step, int high) {
    double sum = 0;
    for (float w : weight.values()) {
      double code = Math.clamp(Math.rint(w / step), -high - 1, high);
      sum += (w - step * code) * (w - step * code);
    }
    return sum;
  }

  @Test
  void aMatrixOfZerosStaysOne() {
    var zeros = Matrix.zeros(4, 8);
    var scheme = new IntegerScheme(4, IntegerScheme.CHANNEL, true, Activations.NONE);
    var grid = new IntegerGrid(scheme, ScaleSearch.MSE, DType.F16);
    GroupQuantized rounded = SlimScale.round(zeros, Mask.of(RandomLayers.gaussian(4, 8, 1)), grid);
    assertThat(rounded.decode().values()).containsOnly(0);
  }

  @Test
  void saysWhatIsWrong() {
    var slim = new Slim();
    var plain = new Kept.Plain(DType.BF16);
    assertThatThrownBy(() -> slim.config(HALF, plain, Map.of("rank_ratio", 0)))
        .isInstanceOf(LatheException.class)
        .hasMessage("SLiM's rank_ratio is above 0 and at most 1 (0.1 is usual), not 0.0");
    assertThatThrownBy(() -> slim.config(HALF, plain, Map.of("ranc", 4)))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("rank");
    assertThat(slim.refusal(8, 16, slim.config(HALF, plain, Map.of("rank", 9))))
        .contains("a 8 x 16 matrix has no rank of 9");
  }
}

package ai.lathe.compress.pruning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.pruning.Armor.Normalized;
import ai.lathe.compress.quantization.IntegerGrid;
import ai.lathe.compress.quantization.ScaleSearch;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.Sparse;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class ArmorTest {

  private static final Sparsity HALF = new Sparsity(0.5, Armor.PATTERN);
  private static final PaperLayers LAYER = PaperLayers.of(24, 32, 1);
  private static final float[] SQUARES = LAYER.statistics().squaredNorm().orElseThrow();

  private static ArmorDescent descent(int high, int wide) {
    return new ArmorDescent(Normalized.of(LAYER.weight()).weight(), SQUARES, high, wide, 1e-3, 3);
  }

  /** NoWag's: what its mask leaves out, of a matrix whose rows and columns have length 1. */
  private static double noWag(Matrix unit) {
    var mask = Armor.mask(unit, SQUARES);
    double lost = 0;
    double all = 0;
    for (int i = 0; i < unit.rows(); i++) {
      for (int j = 0; j < unit.columns(); j++) {
        double loss = SQUARES[j] * unit.at(i, j) * (double) unit.at(i, j);
        lost += mask.keeps(i, j) ? 0 : loss;
        all += loss;
      }
    }
    return lost / all;
  }

  @Test
  void beginsAtNoWagsLoss() {
    var unit = Normalized.of(LAYER.weight());
    assertThat(descent(8, 16).loss()).isCloseTo(noWag(unit.weight()), within(1e-6));
    for (int i = 0; i < unit.weight().rows(); i++) {
      double length = 0;
      for (int j = 0; j < unit.weight().columns(); j++) {
        length += (double) unit.weight().at(i, j) * unit.weight().at(i, j);
        assertThat(unit.weight().at(i, j) * unit.rows()[i] * unit.columns()[j])
            .isCloseTo(LAYER.weight().at(i, j), within(1e-5f));
      }
      assertThat(length).isCloseTo(1, within(1e-5));
    }
  }

  @Test
  void placingWeightsNeverIncreasesTheLossAndKeepsTwoOfFour() {
    var descent = descent(8, 16);
    for (int i = 0; i < 10; i++) {
      descent.gradients();
      descent.step();
    }
    double before = descent.loss();
    double first = before;
    var mask = descent.mask();
    for (int i = 0; i < 100; i++) {
      descent.gradients();
      descent.place();
      double after = descent.loss();
      assertThat(after).isLessThanOrEqualTo(before * (1 + 1e-6));
      assertThat(descent.mask().follows(Armor.PATTERN)).isTrue();
      before = after;
    }
    assertThat(before).isLessThan(first);
    assertThat(descent.mask()).isNotEqualTo(mask);
  }

  /** Central differences of the loss, by each factor. */
  @Test
  void gradientsAreTheLossesSlopes() {
    var descent = descent(8, 16);
    for (int i = 0; i < 20; i++) {
      descent.gradients();
      descent.step();
    }
    descent.gradients();
    for (int factor = 0; factor < 3; factor++) {
      var values = List.of(descent.a(), descent.b(), descent.core()).get(factor);
      var slopes = descent.slopes(factor);
      double largest = 0;
      for (float slope : slopes.values()) {
        largest = Math.max(largest, Math.abs(slope));
      }
      for (int i = 0; i < values.values().length; i += 7) {
        if (factor == 2 && values.values()[i] == 0) {
          continue;
        }
        float value = values.values()[i];
        float h = 1e-2f;
        values.values()[i] = value + h;
        double above = descent.freshLoss();
        values.values()[i] = value - h;
        double below = descent.freshLoss();
        values.values()[i] = value;
        assertThat((double) slopes.values()[i])
            .isCloseTo((above - below) / (2 * h), within(5e-3 * largest));
      }
    }
  }

  @Test
  void losesLessThanTwoOfFourByItself() {
    var method = new Armor();
    var config =
        method.config(
            HALF, new Kept.Plain(DType.F32), Map.of("iterations", 300, "learning_rate", 1e-3));
    var solution = method.solve(LAYER.layer(), LAYER.statistics(), List.of(config)).getFirst();
    var wanda = new Wanda();
    var other =
        wanda
            .solve(
                LAYER.layer(),
                LAYER.statistics(),
                List.of(wanda.config(HALF, new Kept.Plain(DType.F32), Map.of())))
            .getFirst();
    assertThat(LAYER.weighted(solution.weight())).isLessThan(0.7 * LAYER.weighted(other.weight()));
    assertThat(solution.weight().encoding()).isEqualTo(method.encoding(config, 24, 32));
    var core = (Sparse) ((Product) solution.weight()).factors().get(1);
    assertThat(core.mask().follows(Armor.PATTERN)).isTrue();
    var again = method.solve(LAYER.layer(), LAYER.statistics(), List.of(config)).getFirst();
    assertThat(again.weight().decode().values()).isEqualTo(solution.weight().decode().values());
  }

  @Test
  void withoutIterationsItIsNoWag() {
    var method = new Armor();
    var config = method.config(HALF, new Kept.Plain(DType.F32), Map.of("iterations", 0));
    var weight =
        method.solve(LAYER.layer(), LAYER.statistics(), List.of(config)).getFirst().weight();
    Mask mask = Armor.mask(Normalized.of(LAYER.weight()).weight(), SQUARES);
    var decoded = weight.decode();
    for (int i = 0; i < 24; i++) {
      for (int j = 0; j < 32; j++) {
        float expected = mask.keeps(i, j) ? LAYER.weight().at(i, j) : 0;
        assertThat(decoded.at(i, j)).isCloseTo(expected, within(1e-5f));
      }
    }
  }

  @Test
  void blocksFitTheMatrix() {
    assertThat(Armor.block(64, 1, 32)).isEqualTo(32);
    assertThat(Armor.block(172, 4, 32)).isEqualTo(4);
    assertThat(Armor.block(172, 1, 32)).isEqualTo(4);
    assertThat(Armor.block(384, 4, 32)).isEqualTo(32);
    assertThat(Armor.block(8, 4, 32)).isEqualTo(8);
    var config = new Armor().config(HALF, new Kept.Plain(DType.BF16), Map.of());
    long bytes = new Armor().encoding(config, 64, 172).bytes(64, 172);
    assertThat(bytes).isEqualTo(2 * 64 * 32 + 64 * 172 + 64 * 22 + 2 * 172 * 4);
  }

  @Test
  void saysWhatIsWrong() {
    var armor = new Armor();
    var plain = new Kept.Plain(DType.BF16);
    assertThatThrownBy(() -> armor.config(new Sparsity(0.6, Pattern.UNSTRUCTURED), plain, Map.of()))
        .isInstanceOf(LatheException.class)
        .hasMessage("armor prunes 2:4, not 60%: take --pattern 2:4");
    var scheme = new IntegerScheme(4, 32, true, Activations.NONE);
    var rounded =
        new Kept.Rounded(new IntegerGrid(scheme, ScaleSearch.MSE, DType.F16), Optional.empty());
    assertThatThrownBy(() -> armor.config(HALF, rounded, Map.of()))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("leave the scheme out");
    assertThatThrownBy(() -> armor.config(HALF, plain, Map.of("block_size", 3)))
        .isInstanceOf(LatheException.class)
        .hasMessage("ARMOR's block_size is from 4 to 256 (32 is usual), not 3");
    assertThat(armor.refusal(8, 10, armor.config(HALF, plain, Map.of())))
        .contains("2:4 does not divide rows of 10");
  }
}

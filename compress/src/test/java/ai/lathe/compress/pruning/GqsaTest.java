package ai.lathe.compress.pruning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.quantization.InverseFactor;
import ai.lathe.compress.quantization.OutputError;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Sparse;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class GqsaTest {

  private static final Kept PLAIN = new Kept.Plain(DType.F16);
  private static final Sparsity HALF = new Sparsity(0.5, new Pattern.Blocks(1, 16));
  private static final PaperLayers LAYER = PaperLayers.of(20, 128, 9);

  private static Sparse solve(Sparsity sparsity, Map<String, ?> settings) {
    var gqsa = new Gqsa();
    var config = gqsa.config(sparsity, PLAIN, settings);
    var solution = gqsa.solve(LAYER.layer(), LAYER.statistics(), List.of(config)).getFirst();
    assertThat(solution.fallbacks()).isEmpty();
    assertThat(solution.weight().encoding()).isEqualTo(gqsa.encoding(config, 20, 128));
    return (Sparse) solution.weight();
  }

  private static double error(Sparse weight) {
    return OutputError.relative(LAYER.weight(), weight, LAYER.gram());
  }

  @Test
  void whatIsStoredIsTheMaskedDequantizedMatrix() {
    var weight = solve(HALF, Map.of());
    var dense = (GroupQuantized) weight.dense();
    var all = dense.decode();
    var decoded = weight.decode();
    for (int i = 0; i < 20; i++) {
      for (int j = 0; j < 128; j++) {
        float expected = weight.mask().keeps(i, j) ? all.at(i, j) : 0;
        assertThat(decoded.at(i, j)).isEqualTo(expected);
      }
    }
  }

  @Test
  void everyRowLosesHalfOfItsGroups() {
    var mask = solve(HALF, Map.of()).mask();
    assertThat(mask.follows(HALF.pattern())).isTrue();
    for (int i = 0; i < 20; i++) {
      assertThat(mask.kept(i, 0, 128)).isEqualTo(64);
    }
  }

  /** A bit a group, and of each that is kept 16 codes of 4 bits, a scale and a zero point. */
  @Test
  void bytesAreThoseOfKeptGroups() {
    var gqsa = new Gqsa();
    var config = gqsa.config(HALF, PLAIN, Map.of());
    assertThat(gqsa.encoding(config, 20, 128).bytes(20, 128)).isEqualTo(20 + 20 * 4 * (8 + 2 + 1));
    assertThat(((Encoding.Sparse) gqsa.encoding(config, 20, 128)).scalesOfKeptGroups()).isTrue();
  }

  @Test
  void theCheapestGroupsOfTheDiagonalGo() {
    var gram = Matrix.zeros(128, 128);
    for (int j = 0; j < 128; j++) {
      gram.set(j, j, j < 64 ? 4 : 1);
    }
    var factor = InverseFactor.of(gram, false, 0);
    var scores = Gqsa.scores(LAYER.weight(), factor);
    for (int j : new int[] {0, 63, 64, 127}) {
      float expected = Math.abs(LAYER.weight().at(3, j)) * gram.at(j, j);
      assertThat(scores.at(3, j)).isBetween(0.999f * expected, 1.001f * expected);
    }
  }

  @Test
  void fittingScalesLowersTheErrorOfTheOutputs() {
    double without = error(solve(HALF, Map.of("fit_scales", false)));
    double with = error(solve(HALF, Map.of()));
    assertThat(with).isLessThan(without);
  }

  /** Where all is kept, this is error feedback alone; half of the groups cost more. */
  @Test
  void fewerZerosLoseLess() {
    double none = error(solve(new Sparsity(0, HALF.pattern()), Map.of()));
    double quarter = error(solve(new Sparsity(0.25, HALF.pattern()), Map.of()));
    double half = error(solve(HALF, Map.of()));
    assertThat(none).isLessThan(quarter);
    assertThat(quarter).isLessThan(half);
    assertThat(none).isLessThan(0.01);
  }

  @Test
  void unstructuredMeansGroupsOfSixteen() {
    var config = new Gqsa().config(new Sparsity(0.5, Pattern.UNSTRUCTURED), PLAIN, Map.of());
    assertThat(config.sparsity().pattern().label()).isEqualTo("1x16");
    assertThat(config.grid().scheme().label()).isEqualTo("int4 g16 asym");
  }

  @Test
  void inputsThatWereAlwaysZeroAreNamed() {
    var gqsa = new Gqsa();
    var config = gqsa.config(HALF, PLAIN, Map.of());
    var nothing = LayerStatistics.of(10, Matrix.zeros(128, 128));
    var solution = gqsa.solve(LAYER.layer(), nothing, List.of(config)).getFirst();
    assertThat(solution.fallbacks())
        .contains("groups chosen by magnitude and rounded to nearest instead of GQSA");
  }

  @Test
  void saysWhatIsWrong() {
    var gqsa = new Gqsa();
    assertThatThrownBy(
            () -> gqsa.config(new Sparsity(0.5, new Pattern.SemiStructured(2, 4)), PLAIN, Map.of()))
        .isInstanceOf(LatheException.class)
        .hasMessage("gqsa prunes groups of a row, not 2:4: take --pattern 1x16");
    assertThat(gqsa.refusal(20, 100, gqsa.config(HALF, PLAIN, Map.of())))
        .contains("blocks of 1x16 do not divide a matrix of 20 x 100");
  }
}

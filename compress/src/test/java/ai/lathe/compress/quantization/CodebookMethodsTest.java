package ai.lathe.compress.quantization;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.tensor.CodebookQuantized;
import ai.lathe.tensor.Encoding.Codebooks;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class CodebookMethodsTest {

  private static <C extends SolverConfig> CodebookQuantized solve(
      QuantizationMethod<C> method,
      Layer layer,
      LayerStatistics statistics,
      Map<String, ?> settings) {
    var grid = Problems.grid(2, 64, true, ScaleSearch.MSE);
    var config = method.config(grid, settings);
    var solution = method.solve(layer, statistics, List.of(config)).getFirst();
    int rows = layer.weight().rows();
    int columns = layer.weight().columns();
    assertThat(solution.weight().encoding())
        .isEqualTo(method.encoding(grid, config, rows, columns));
    return (CodebookQuantized) solution.weight();
  }

  @Test
  void atTwoBitsBothLoseLessThanGptqInAboutAsManyBytes() {
    var layer = Problems.layer(128, 64, 1);
    var statistics = Problems.statistics(64, 2);
    var gram = statistics.gram().orElseThrow();
    var grid = Problems.grid(2, 64, true, ScaleSearch.MSE);
    var gptq =
        new Gptq().solve(layer, statistics, List.of(Gptq.Config.of(grid))).getFirst().weight();
    double reference = OutputError.relative(layer.weight(), gptq, gram);
    var vptq = solve(new Vptq(), layer, statistics, Map.of());
    assertThat(OutputError.relative(layer.weight(), vptq, gram)).isLessThan(0.9 * reference);
    assertThat(vptq.encoding().bytes(128, 64)).isLessThanOrEqualTo(gptq.encoding().bytes(128, 64));
    var aqlm = solve(new Aqlm(), layer, statistics, Map.of());
    assertThat(OutputError.relative(layer.weight(), aqlm, gram)).isLessThan(0.9 * reference);
    assertThat(aqlm.encoding().bytes(128, 64))
        .isLessThanOrEqualTo(gptq.encoding().bytes(128, 64) + 2 * 128);
  }

  @Test
  void aSeedGivesOneResult() {
    var layer = Problems.layer(24, 16, 3);
    var statistics = Problems.statistics(16, 4);
    for (var method : List.of(new Vptq(), new Aqlm())) {
      var once = solve(method, layer, statistics, Map.of("seed", 7));
      var again = solve(method, layer, statistics, Map.of("seed", 7));
      assertThat(again.decode().values()).isEqualTo(once.decode().values());
    }
  }

  @Test
  void deadInputsAndNoInputsAtAllAreNamed() {
    var layer = Problems.layer(16, 8, 5);
    var gram = Problems.gram(8, 64, 6);
    for (int j = 0; j < 8; j++) {
      gram.set(3, j, 0);
      gram.set(j, 3, 0);
    }
    for (var method : List.of(new Vptq(), new Aqlm())) {
      notes(method, layer, gram, "1 of 8 inputs were zero on all calibration tokens");
      notes(method, layer, Matrix.zeros(8, 8), "codebooks are fitted to the weights alone");
    }
  }

  private static <C extends SolverConfig> void notes(
      QuantizationMethod<C> method, Layer layer, Matrix gram, String note) {
    var config = method.config(Problems.grid(2, 8, true), Map.of());
    var solution = method.solve(layer, LayerStatistics.of(64, gram), List.of(config)).getFirst();
    assertThat(solution.fallbacks()).anyMatch(why -> why.startsWith(note));
    for (float value : solution.weight().decode().values()) {
      assertThat(value).isFinite();
    }
  }

  @Test
  void shapesFitTheSizeOfTheSchemeTheyAreAskedWith() {
    assertThat(vptq(2, 384, 384)).isEqualTo("vptq v4 k256");
    assertThat(vptq(2, 2048, 2048)).isEqualTo("vptq v6 k4096");
    assertThat(vptq(2, 64, 64)).isEqualTo("vptq v3 k8+8");
    assertThat(vptq(3, 384, 384)).isEqualTo("vptq v4 k256+16");
    assertThat(aqlm(2, 384, 384)).isEqualTo("aqlm 1x8 g4");
    assertThat(aqlm(2, 1536, 384)).isEqualTo("aqlm 2x8 g8");
    assertThat(aqlm(2, 4096, 4096)).isEqualTo("aqlm 2x8 g8");
    for (int bits = 2; bits <= 8; bits++) {
      for (int rows : new int[] {1, 7, 64, 500}) {
        for (int columns : new int[] {16, 64, 172, 1024}) {
          var budget =
              CodebookShapes.budget(Problems.grid(bits, 16, true).forColumns(columns), "x");
          var shape = CodebookShapes.vptq(budget, rows, columns);
          boolean smallest = shape.equals(new Codebooks(1, 1, List.of(bits), false));
          assertThat(smallest || shape.bytes(rows, columns) <= budget.bytes(rows, columns))
              .isTrue();
        }
      }
    }
  }

  private static String vptq(int bits, int rows, int columns) {
    var grid = Problems.grid(bits, 128, true).forColumns(columns);
    return CodebookShapes.vptq(CodebookShapes.budget(grid, "VPTQ"), rows, columns).label();
  }

  private static String aqlm(int bits, int rows, int columns) {
    var grid = Problems.grid(bits, 128, true).forColumns(columns);
    return CodebookShapes.aqlm(CodebookShapes.budget(grid, "AQLM"), rows, columns).label();
  }

  @Test
  void settingsThatCannotBeAreRefused() {
    var grid = Problems.grid(2, 128, true);
    var vptq = new Vptq();
    var large = vptq.config(grid, Map.of("vector_length", 8, "centroids", 65536));
    assertThatThrownBy(() -> vptq.encoding(grid, large, 384, 384))
        .isInstanceOf(LatheException.class)
        .hasMessage(
            "vptq v8 k65536 has codebooks of 1048576 bytes, more than the 36864 of everything else"
                + " in a 384 x 384 layer: leave the shape out to have one chosen that fits each layer");
    assertThat(vptq.encoding(grid, large, 2048, 2048).bytes(2048, 2048)).isEqualTo(2 << 20);
    assertThatThrownBy(() -> vptq.config(grid, Map.of("vector_length", 8)))
        .hasMessageContaining("given together");
    assertThatThrownBy(() -> vptq.config(grid, Map.of("vector_length", 8, "centroids", 1000)))
        .hasMessage("VPTQ's centroids is a power of two from 2 to 65536, not 1000");
    assertThatThrownBy(() -> vptq.config(grid, Map.of("centroid", 8)))
        .hasMessageContaining("did you mean 'centroids'?");
    var aqlm = new Aqlm();
    var groups =
        aqlm.config(grid, Map.of("in_group_size", 5, "num_codebooks", 2, "nbits_per_codebook", 5));
    assertThat(aqlm.refusal(64, 64, groups)).contains("groups of 5 do not divide rows of 64");
    var blocks = new BlockGrid(ai.lathe.tensor.block.BlockTypes.named("Q4_0"));
    assertThatThrownBy(() -> aqlm.config(blocks, Map.of()))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("Q4_0 is not one");
  }
}

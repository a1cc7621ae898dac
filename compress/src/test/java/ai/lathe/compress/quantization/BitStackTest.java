package ai.lathe.compress.quantization;

import static ai.lathe.compress.quantization.Problems.grid;
import static ai.lathe.compress.quantization.Problems.layer;
import static ai.lathe.compress.quantization.Problems.statistics;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.SignedLowRank;
import ai.lathe.tensor.Sum;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class BitStackTest {

  private static Sum solve(int rows, int columns, LayerStatistics statistics, int blocks, int k) {
    var config = new BitStack.Config(blocks, k);
    var solutions = new BitStack().solve(layer(rows, columns, 1), statistics, List.of(config));
    assertThat(solutions.getFirst().weight().encoding()).isEqualTo(config.encoding());
    return (Sum) solutions.getFirst().weight();
  }

  private static double distance(Matrix a, Matrix b) {
    double sum = 0;
    for (int i = 0; i < a.values().length; i++) {
      double difference = (double) a.values()[i] - b.values()[i];
      sum += difference * difference;
    }
    return Math.sqrt(sum);
  }

  private static Sum first(Sum stack, int blocks) {
    return new Sum(stack.parts().subList(0, blocks));
  }

  @Test
  void theResidualFallsWithEveryBlock() {
    var weight = layer(48, 80, 1).weight();
    var stack = solve(48, 80, LayerStatistics.NONE, 16, 4);
    double last = Double.POSITIVE_INFINITY;
    for (int blocks = 1; blocks <= 16; blocks++) {
      double residual = distance(weight, first(stack, blocks).decode());
      assertThat(residual).as("%d blocks", blocks).isLessThan(last);
      last = residual;
    }
    assertThat(last).isLessThan(0.01 * distance(weight, Matrix.zeros(48, 80)));
  }

  /** Fewer iterations are the beginning of more: a store that is cut is the smaller store. */
  @Test
  void theFirstBlocksAreThoseOfAShorterStack() {
    var statistics = statistics(64, 2);
    var whole = solve(40, 64, statistics, 6, 4);
    var part = solve(40, 64, statistics, 3, 4);
    assertThat(first(whole, 3).decode().values()).isEqualTo(part.decode().values());
  }

  /** Inputs that are large are kept more exactly, and the output error is less for it. */
  @Test
  void theScaleOfInputsLowersTheOutputError() {
    var statistics = statistics(96, 3);
    var gram = statistics.gram().orElseThrow();
    var weight = layer(64, 96, 1).weight();
    for (int blocks : new int[] {1, 2, 4, 8}) {
      var plain = solve(64, 96, LayerStatistics.NONE, blocks, 4);
      var scaled = solve(64, 96, statistics, blocks, 4);
      assertThat(OutputError.relative(weight, scaled, gram))
          .as("%d blocks", blocks)
          .isLessThan(OutputError.relative(weight, plain, gram));
    }
  }

  @Test
  void signsOfZeroArePositiveAndDeadInputsAreKept() {
    var weight = Matrix.zeros(9, 17);
    var layer = new ai.lathe.compress.layer.Layer("l", weight);
    var dead = LayerStatistics.of(5, Matrix.zeros(17, 17));
    var config = new BitStack.Config(2, 3);
    var solution = new BitStack().solve(layer, dead, List.of(config)).getFirst();
    var first = (SignedLowRank) ((Sum) solution.weight()).parts().getFirst();
    for (int i = 0; i < 9 * 17 / 8; i++) {
      assertThat(first.signs().get(java.lang.foreign.ValueLayout.JAVA_BYTE, i))
          .isEqualTo((byte) -1);
    }
    assertThat(solution.weight().decode().values()).containsOnly(0f);
    var live = new BitStack().solve(layer(9, 17, 4), dead, List.of(new BitStack.Config(12, 3)));
    assertThat(distance(layer(9, 17, 4).weight(), live.getFirst().weight().decode()))
        .isLessThan(0.05 * distance(layer(9, 17, 4).weight(), weight));
  }

  @Test
  void settingsAndBytes() {
    var method = new BitStack();
    var config = method.config(grid(4, 128, true), Map.of("k", "8", "iterations", 5));
    assertThat(config).isEqualTo(new BitStack.Config(5, 8));
    assertThat(method.encoding(grid(4, 128, true), config))
        .isEqualTo(new Encoding.Sum(Collections.nCopies(5, new Encoding.SignedLowRank(8))));
    // The paper's: out * in / 8 + 2 k (out + in) a block; 1.125 bits a weight for 4096 x 4096.
    long block = new Encoding.SignedLowRank(16).bytes(4096, 4096);
    assertThat(8.0 * block / (4096.0 * 4096)).isEqualTo(1.125);
    assertThat(config.encoding().bytes(9, 17)).isEqualTo(5 * (20 + 2 * 8 * (9 + 17)));
    assertThat(method.refusal(4, 64, config)).isPresent();
    assertThatThrownBy(() -> method.config(grid(4, 128, true), Map.of("iterations", 0)))
        .isInstanceOf(LatheException.class);
  }
}

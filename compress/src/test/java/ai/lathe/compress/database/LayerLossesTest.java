package ai.lathe.compress.database;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.compress.allocation.Measure;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Matrix;
import java.util.Arrays;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class LayerLossesTest {

  /** Weights of 1 and inputs of norm 1, but for what a test changes. */
  private final Matrix weight = Matrix.zeros(4, 64);

  private final Matrix gram = Matrix.zeros(64, 64);

  LayerLossesTest() {
    Arrays.fill(weight.values(), 1);
    for (int j = 0; j < 64; j++) {
      gram.set(j, j, 1);
    }
  }

  @Test
  void outliersAreWeightsThatStandOut() {
    assertThat(LayerLosses.outliers(weight, gram)).isZero();
    weight.set(0, 3, -20);
    weight.set(2, 5, 20);
    // Above the mean, 1.15, but not five times.
    weight.set(3, 7, 5);
    assertThat(LayerLosses.outliers(weight, gram)).isEqualTo(2);
    assertThat(new LayerLosses(weight, gram, 1, Optional.empty()).of(Dense.of(Matrix.zeros(4, 64))))
        .containsEntry(Measure.OUTLIERS, 2.0)
        .containsEntry(Measure.OUTPUT, 1.0);
  }

  @Test
  void outliersAreMadeByInputsToo() {
    gram.set(9, 9, 400);
    assertThat(LayerLosses.outliers(weight, gram)).isEqualTo(4);
  }
}

package ai.lathe.runtime.kernel.vector;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.SplittableRandom;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Test;

class LanesTest {

  private static final int ROUNDS = 100;

  @Test
  void lanesAreAddedInOneOrder() {
    var random = new SplittableRandom(2);
    for (int round = 0; round < ROUNDS; round++) {
      var values = new float[FloatVector.SPECIES_PREFERRED.length()];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) random.nextGaussian();
      }
      float expected = tree(values, 0, values.length);
      assertThat(Lanes.sum(values, 0)).isEqualTo(expected);
    }
  }

  /** Halves of halves, down to neighbours. */
  private static float tree(float[] values, int from, int to) {
    if (to - from == 1) {
      return values[from];
    }
    int middle = (from + to) / 2;
    return tree(values, from, middle) + tree(values, middle, to);
  }
}

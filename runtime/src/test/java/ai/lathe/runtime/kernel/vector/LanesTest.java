package ai.lathe.runtime.kernel.vector;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.SplittableRandom;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Test;

class LanesTest {

  /** Enough for the compiler to take over half-way. */
  private static final int ROUNDS = 30_000;

  @Test
  void lanesAreAddedInOneOrder() {
    var random = new SplittableRandom(2);
    for (int round = 0; round < ROUNDS; round++) {
      var values = new float[FloatVector.SPECIES_PREFERRED.length()];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) random.nextGaussian();
      }
      float sum = Lanes.sum(FloatVector.fromArray(FloatVector.SPECIES_PREFERRED, values, 0));
      assertThat(sum).isEqualTo(tree(values, 0, values.length));
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

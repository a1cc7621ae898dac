package ai.lathe.runtime.kernel.scalar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.layout.InputRule;
import ai.lathe.runtime.kernel.layout.Int8Input;
import ai.lathe.runtime.kernel.layout.Packing;
import ai.lathe.runtime.kernel.layout.PlainRounding;
import ai.lathe.runtime.kernel.layout.Weights;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LinearWeight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class ScalarStripesTest {

  static List<LinearWeight> weights() {
    return Weights.all(21, 224, 4);
  }

  private static float[] multiply(LinearWeight weight, float[] x) {
    int tokens = x.length / weight.columns();
    var y = new float[tokens * weight.rows()];
    try (var workers = new Workers(1);
        var arena = Arena.ofConfined()) {
      var matrix = new ScalarProvider().prepare(weight, arena);
      assertThat(matrix).isInstanceOf(ScalarStripes.class);
      var input = new Input(workers);
      input.set(MemorySegment.ofArray(x), tokens, weight.columns());
      matrix.prepare(input);
      matrix.multiply(input, 0, weight.rows(), MemorySegment.ofArray(y), 0, weight.rows());
    }
    return y;
  }

  private static float[] gaussian(int n, long seed) {
    var random = new Random(seed);
    var x = new float[n];
    for (int i = 0; i < n; i++) {
      x[i] = (float) random.nextGaussian();
    }
    return x;
  }

  /** The decoded weight times the decoded input, in double. */
  @ParameterizedTest
  @MethodSource("weights")
  void productsAreThoseOfTheDecodedWeightAndInput(LinearWeight weight) {
    int n = weight.columns();
    var x = gaussian(3 * n, 5);
    var y = multiply(weight, x);
    var order = Packing.pack(weight, Arena.ofAuto()).order();
    var rounded = new Int8Input(new PlainRounding(InputRule.of(weight, order).orElseThrow()));
    try (var workers = new Workers(1)) {
      rounded.make(MemorySegment.ofArray(x), 3, n, workers);
    }
    var w = weight.decode().values();
    for (int t = 0; t < 3; t++) {
      for (int r = 0; r < weight.rows(); r++) {
        double expected = 0;
        double magnitude = 0;
        double exact = 0;
        for (int k = 0; k < n; k++) {
          int code = rounded.codes().get(ValueLayout.JAVA_BYTE, rounded.codeAt(t) + k);
          long block = rounded.blockAt(t) + k / Int8Input.BLOCK;
          double input = (double) code * rounded.scales().getAtIndex(ValueLayout.JAVA_FLOAT, block);
          int column = order == null ? k : order[k];
          double product = w[r * n + column] * input;
          expected += product;
          magnitude += Math.abs(product);
          exact += w[r * n + column] * (double) x[t * n + column];
        }
        // Scales in float32 groups are rounded to 11 bits; sums are float32; minima cancel.
        assertThat((double) y[t * weight.rows() + r])
            .as("%s token %d row %d", weight.encoding().label(), t, r)
            .isCloseTo(expected, within(3e-4 * magnitude));
        // And the input's rounding alone stands between this and the exact product.
        assertThat((double) y[t * weight.rows() + r]).isCloseTo(exact, within(0.01 * magnitude));
      }
    }
  }

  @Test
  void inputsThatAreNoNumbersLeadToNone() {
    var random = new Random(1);
    var weights =
        List.of(
            Weights.groups(4, 32, true, Activations.NONE, DType.F16, 17, 64, random),
            Weights.groups(8, 0, true, Activations.INT8_TOKEN, DType.F32, 17, 64, random));
    for (var weight : weights) {
      for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
        var x = gaussian(128, 3);
        x[7] = bad;
        var y = multiply(weight, x);
        for (int r = 0; r < 17; r++) {
          assertThat(y[r]).isNaN();
          assertThat(y[17 + r]).isFinite();
        }
      }
    }
  }

  @Test
  void aTokenOfZerosGivesZeros() {
    for (var weight : weights()) {
      for (float y : multiply(weight, new float[weight.columns()])) {
        assertThat(y).isZero();
      }
    }
  }
}

package ai.lathe.runtime.kernel.vector;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.layout.InputRule;
import ai.lathe.runtime.kernel.layout.Int8Input;
import ai.lathe.runtime.kernel.layout.PlainRounding;
import ai.lathe.runtime.kernel.layout.Weights;
import ai.lathe.runtime.kernel.scalar.ScalarProvider;
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

class VectorStripesTest {

  private static final float UNTOUCHED = 7;

  /** An odd number of rows, columns that are no multiple of 64. */
  static List<LinearWeight> weights() {
    return Weights.all(37, 1120, 6);
  }

  private static float[] values(int n, long seed) {
    var random = new Random(seed);
    var x = new float[n];
    for (int i = 0; i < n; i++) {
      x[i] = (float) (random.nextGaussian() * Math.exp(random.nextGaussian()));
    }
    return x;
  }

  private static PackedMatrix packed(KernelProvider provider, LinearWeight weight) {
    return provider.prepare(weight, Arena.ofAuto());
  }

  /** Rows {@code [from, to)} into a matrix with a gap before it and between its rows. */
  private static int[] multiply(PackedMatrix matrix, float[] x, int from, int to) {
    int tokens = x.length / matrix.columns();
    int stride = matrix.rows() + 3;
    var out = new float[5 + tokens * stride];
    java.util.Arrays.fill(out, UNTOUCHED);
    try (var workers = new Workers(2)) {
      var input = new Input(workers);
      input.set(MemorySegment.ofArray(x), tokens, matrix.columns());
      matrix.prepare(input);
      matrix.multiply(input, from, to, MemorySegment.ofArray(out), 5, stride);
    }
    var bits = new int[out.length];
    for (int i = 0; i < bits.length; i++) {
      bits[i] = Float.floatToIntBits(out[i]);
    }
    return bits;
  }

  /** Every kind of weight, numbers of tokens on either side of every way to compute. */
  @ParameterizedTest
  @MethodSource("weights")
  void equalsTheOracleBitForBit(LinearWeight weight) {
    var scalar = packed(new ScalarProvider(), weight);
    var vector = packed(new VectorProvider(), weight);
    assertThat(vector).isInstanceOf(VectorStripes.class);
    for (int tokens : new int[] {1, 3, 7}) {
      var x = values(tokens * weight.columns(), tokens);
      assertThat(multiply(vector, x, 0, weight.rows()))
          .as("%s, %d tokens", weight.encoding().label(), tokens)
          .isEqualTo(multiply(scalar, x, 0, weight.rows()));
    }
  }

  @ParameterizedTest
  @MethodSource("weights")
  void rangesOfRowsAreThoseOfTheWhole(LinearWeight weight) {
    var scalar = packed(new ScalarProvider(), weight);
    var vector = packed(new VectorProvider(), weight);
    int step = vector.stripe();
    for (int tokens : new int[] {1, 5}) {
      var x = values(tokens * weight.columns(), 3);
      for (int from = 0; from < weight.rows(); from += step) {
        int to = Math.min(from + step, weight.rows());
        assertThat(multiply(vector, x, from, to)).isEqualTo(multiply(scalar, x, from, to));
      }
    }
  }

  /** The ends of all ranges: sums that just fit. */
  @Test
  void extremeCodesAndInputs() {
    var random = new Random(5);
    for (int bits : new int[] {4, 8}) {
      for (var activations : List.of(Activations.NONE, Activations.INT8_TOKEN)) {
        for (boolean symmetric : new boolean[] {true, false}) {
          for (int group : new int[] {0, 32, 16}) {
            var weight =
                Weights.groups(bits, group, symmetric, activations, DType.F16, 40, 320, random);
            for (int i = 0; i < weight.codes().length; i++) {
              boolean low = i / 320 % 3 == 0 || i / 320 % 3 == 1 && random.nextInt(8) > 0;
              weight.codes()[i] = (byte) (low ? weight.scheme().min() : weight.scheme().max());
            }
            var scalar = packed(new ScalarProvider(), weight);
            var vector = packed(new VectorProvider(), weight);
            for (int tokens : new int[] {1, 4, 12}) {
              var x = new float[tokens * 320];
              for (int i = 0; i < x.length; i++) {
                x[i] = i / 320 % 2 == 0 ? -1 : random.nextInt(16) == 0 ? 1 : -1;
              }
              assertThat(multiply(vector, x, 0, 40)).isEqualTo(multiply(scalar, x, 0, 40));
            }
          }
        }
      }
    }
  }

  @Test
  void inputsThatAreNoNumbersLeadToNone() {
    var weight = weights().getFirst();
    for (int tokens : new int[] {2, 12}) {
      for (float bad : new float[] {Float.NaN, Float.NEGATIVE_INFINITY}) {
        var x = values(tokens * weight.columns(), 1);
        x[weight.columns() + 33] = bad;
        var y = multiply(packed(new VectorProvider(), weight), x, 0, weight.rows());
        int stride = weight.rows() + 3;
        for (int t = 0; t < tokens; t++) {
          for (int r = 0; r < weight.rows(); r++) {
            float value = Float.intBitsToFloat(y[5 + t * stride + r]);
            assertThat(Float.isNaN(value)).as("token %d row %d", t, r).isEqualTo(t == 1);
          }
        }
      }
    }
  }

  /** One input after another through the same memory, larger and smaller ones. */
  @Test
  void formsAreMadeAnew() {
    var random = new Random(8);
    var weight = Weights.groups(4, 32, true, Activations.NONE, DType.F16, 32, 96, random);
    var scalar = packed(new ScalarProvider(), weight);
    var vector = packed(new VectorProvider(), weight);
    try (var workers = new Workers(2)) {
      var input = new Input(workers);
      for (int tokens : new int[] {3, 20, 1, 9, 2, 7, 30}) {
        var x = MemorySegment.ofArray(values(tokens * 96, tokens));
        var expected = MemorySegment.ofArray(new float[tokens * 32]);
        var got = MemorySegment.ofArray(new float[tokens * 32]);
        input.set(x, tokens, 96);
        scalar.prepare(input);
        vector.prepare(input);
        scalar.multiply(input, 0, 32, expected, 0, 32);
        vector.multiply(input, 0, 32, got, 0, 32);
        assertThat(got.mismatch(expected)).isEqualTo(-1);
      }
    }
  }

  @Test
  void inputsAreRoundedAsInPlainJava() {
    var random = new Random(4);
    for (int columns : new int[] {32, 64, 96, 160, 70}) {
      var x = new float[40 * columns];
      for (int i = 0; i < x.length; i++) {
        x[i] = (float) (random.nextGaussian() * Math.exp(30 * random.nextGaussian()));
        switch (random.nextInt(4000)) {
          case 0 -> x[i] = Float.NaN;
          case 1 -> x[i] = Float.POSITIVE_INFINITY;
          case 2 -> x[i] = -Float.MAX_VALUE;
          case 3 -> x[i] = Float.MIN_VALUE;
          default -> {}
        }
      }
      java.util.Arrays.fill(x, 0, 32, 0);
      // Halves, which are ties.
      for (int k = 32; k < 64; k++) {
        x[k] = k == 40 ? -127 : k - 47.5f;
      }
      for (var scales : List.of(InputRule.Scales.BLOCKS, InputRule.Scales.TOKEN)) {
        var rule = new InputRule(scales, ai.lathe.tensor.IntegerType.INT8, Float.NaN, null);
        try (var workers = new Workers(1)) {
          var plain = new Int8Input(new PlainRounding(rule));
          var vector = new Int8Input(new VectorRounding(rule));
          plain.make(MemorySegment.ofArray(x), 40, columns, workers);
          vector.make(MemorySegment.ofArray(x), 40, columns, workers);
          assertThat(vector.codes().mismatch(plain.codes())).isEqualTo(-1);
          assertThat(vector.sums().mismatch(plain.sums())).isEqualTo(-1);
          assertThat(vector.halfSums().mismatch(plain.halfSums())).isEqualTo(-1);
          assertThat(vector.scales().toArray(ValueLayout.JAVA_FLOAT))
              .isEqualTo(plain.scales().toArray(ValueLayout.JAVA_FLOAT));
        }
      }
    }
  }
}

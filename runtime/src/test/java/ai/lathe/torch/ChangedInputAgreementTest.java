package ai.lathe.torch;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.scalar.ScalarProvider;
import ai.lathe.runtime.kernel.vector.VectorProvider;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.FloatQuantized;
import ai.lathe.tensor.FloatScheme;
import ai.lathe.tensor.FloatType;
import ai.lathe.tensor.GroupScale;
import ai.lathe.tensor.IntegerType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.Rotated;
import ai.lathe.tensor.ScaleTile;
import ai.lathe.tensor.Sum;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;

/**
 * Inputs are rounded as the torch executor rounds them. In this package because its linear layer is
 * not public; the weight is the identity, so that a product is the rounded input itself.
 */
class ChangedInputAgreementTest {

  private static final int N = 64;
  private static final int TOKENS = 300;

  @SuppressWarnings("unused") // by name
  private static final List<Activations> ACTIVATIONS =
      List.of(
          Activations.INT8_TOKEN,
          Activations.FP8_TOKEN,
          Activations.FP8_TENSOR,
          Activations.MXFP4,
          Activations.MXFP8,
          Activations.NVFP4,
          new Activations.PerToken(IntegerType.INT4),
          new Activations.PerToken(FloatType.E5M2),
          new Activations.PerTensor(IntegerType.INT8),
          new Activations.PerGroup(IntegerType.INT8, 32, GroupScale.FLOAT),
          new Activations.PerGroup(FloatType.E4M3, 16, GroupScale.FLOAT),
          new Activations.PerGroup(IntegerType.INT4, 16, GroupScale.E8M0));

  private static final List<KernelProvider> PROVIDERS =
      List.of(new ScalarProvider(), new VectorProvider());

  @ParameterizedTest
  @FieldSource("ACTIVATIONS")
  void roundsAsTorchDoes(Activations activations) {
    var weight = identity(activations, 3.7f);
    var x = inputs();
    var expected = torch(weight, x);
    for (var provider : PROVIDERS) {
      assertThat(runtime(provider, weight, x)).as(provider.name()).isEqualTo(expected);
    }
  }

  @ParameterizedTest
  @FieldSource("ACTIVATIONS")
  void rotatesBeforeItRounds(Activations activations) {
    var weight = new Rotated(16, identity(activations, 3.7f));
    var x = inputs();
    var expected = torch(weight, x);
    for (var provider : PROVIDERS) {
      var actual = runtime(provider, weight, x);
      // Torch rotates by a matrix; a sum that differs in its last bit may fall to another code.
      int same = 0;
      for (int i = 0; i < x.length; i++) {
        same += Math.abs(actual[i] - expected[i]) <= 1e-5f * Math.abs(expected[i]) ? 1 : 0;
      }
      assertThat(same).as(provider.name()).isGreaterThan((int) (0.998 * x.length));
    }
  }

  @Test
  void onlyRotatedInputsAreRotatedBackByTheWeight() {
    var weight = new Rotated(32, identity(Activations.NONE, Float.NaN));
    var x = inputs();
    // The identity stored for rotated inputs is the rotation.
    var expected = torch(weight, x);
    for (var provider : PROVIDERS) {
      var actual = runtime(provider, weight, x);
      for (int t = 0; t < TOKENS; t++) {
        float largest = 0;
        float error = 0;
        for (int i = t * N; i < (t + 1) * N; i++) {
          largest = Math.max(largest, Math.abs(expected[i]));
          error = Math.max(error, Math.abs(actual[i] - expected[i]));
        }
        assertThat(error).isLessThanOrEqualTo(1e-6f * largest);
      }
    }
  }

  /** What is beside a weight that rounds its input sees the input as it is. */
  @ParameterizedTest
  @FieldSource("ACTIVATIONS")
  void onlyThePartThatRoundsItsInputIsGivenARoundedOne(Activations activations) {
    var u = new float[N];
    var v = new float[N];
    var random = new Random(3);
    for (int i = 0; i < N; i++) {
      u[i] = (float) random.nextGaussian();
      v[i] = (float) random.nextGaussian();
    }
    var low =
        Product.lowRank(new Dense(Tensor.ofFloats(u, N, 1)), new Dense(Tensor.ofFloats(v, 1, N)));
    var x = inputs();
    var rounded = torch(identity(activations, 3.7f), x);
    var sum = new Sum(List.of(identity(activations, 3.7f), low));
    var expected = torch(sum, x);
    var actual = PROVIDERS.stream().map(provider -> runtime(provider, sum, x)).toList();
    for (int t = 0; t < TOKENS; t++) {
      double product = 0;
      double size = 0;
      for (int k = 0; k < N; k++) {
        product += (double) v[k] * x[t * N + k];
        size += Math.abs(v[k] * x[t * N + k]);
      }
      for (int i = 0; i < N; i++) {
        int at = t * N + i;
        var tolerance =
            within(1e-5 * (Math.abs(u[i]) * size + Math.abs(rounded[at])) + Float.MIN_NORMAL);
        assertThat((double) expected[at]).isCloseTo(rounded[at] + u[i] * product, tolerance);
        for (var values : actual) {
          assertThat((double) values[at]).isCloseTo(expected[at], tolerance);
        }
      }
    }
  }

  @Test
  void notANumberStaysOne() {
    for (var activations : List.of(Activations.FP8_TOKEN, Activations.MXFP4)) {
      var x = inputs();
      x[5] = Float.NaN;
      for (var provider : PROVIDERS) {
        var actual = runtime(provider, identity(activations, 1), x);
        assertThat(actual[5]).isNaN();
        assertThat(actual[N + 5]).isFinite();
      }
    }
  }

  @Test
  void refusesWhatCannotBeRounded() {
    for (var provider : PROVIDERS) {
      assertThatThrownBy(
              () -> provider.prepare(identity(Activations.FP8_TENSOR, Float.NaN), Arena.ofAuto()))
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("needs a positive scale");
      var groups = new Activations.PerGroup(FloatType.E4M3, 48, GroupScale.FLOAT);
      assertThatThrownBy(() -> provider.prepare(identity(groups, 1), Arena.ofAuto()))
          .isInstanceOf(LatheException.class)
          .hasMessage("groups of 48 do not divide an input of 64");
    }
  }

  private static FloatQuantized identity(Activations activations, float inputScale) {
    var codes = new byte[N * N];
    for (int i = 0; i < N; i++) {
      codes[i * N + i] = FloatType.E4M3.encode(1);
    }
    var ones = new float[N];
    java.util.Arrays.fill(ones, 1);
    var scheme = FloatScheme.fp8(ScaleTile.CHANNEL, activations);
    return new FloatQuantized(scheme, N, N, codes, Tensor.ofFloats(ones, N, 1), 1, inputScale);
  }

  /** Of many magnitudes, with zeros, and a token of zeros only. */
  private static float[] inputs() {
    var random = new Random(11);
    var x = new float[TOKENS * N];
    for (int i = 0; i < x.length; i++) {
      boolean zero = i < N || random.nextInt(50) == 0;
      x[i] = zero ? 0 : (float) (random.nextGaussian() * Math.pow(10, i / N % 7 - 4));
    }
    return x;
  }

  private static float[] torch(LinearWeight weight, float[] x) {
    try (var linear = TorchLinear.of(weight, null, Precision.FLOAT32)) {
      return Torch.floats(linear.forward(Torch.ofFloats(x, TOKENS, N)));
    }
  }

  private static float[] runtime(KernelProvider provider, LinearWeight weight, float[] x) {
    try (var workers = new Workers(2);
        var arena = Arena.ofShared()) {
      var matrix = provider.prepare(weight, arena);
      var input = new Input(workers);
      input.set(arena.allocateFrom(JAVA_FLOAT, x), TOKENS, N);
      matrix.prepare(input);
      var out = arena.allocate(x.length * 4L, 64);
      matrix.multiply(input, 0, N, out, 0, N);
      return out.toArray(JAVA_FLOAT);
    }
  }
}

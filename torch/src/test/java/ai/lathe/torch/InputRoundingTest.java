package ai.lathe.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.FloatQuantized;
import ai.lathe.tensor.FloatScheme;
import ai.lathe.tensor.FloatType;
import ai.lathe.tensor.GroupScale;
import ai.lathe.tensor.IntegerType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Rotated;
import ai.lathe.tensor.WalshHadamard;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.Test;

/** Against what the Python package compressed-tensors 0.20 makes of the same two tokens. */
class InputRoundingTest {

  private static final int WIDTH = 32;

  /** Row 0 is half zeros, row 1 grows to the right. */
  private static float[] tokens() {
    var x = new float[2 * WIDTH];
    for (int i = 0; i < x.length; i++) {
      x[i] = (i * 37 % 64 - 29.5f) * 0.173f;
      if (i >= WIDTH) {
        x[i] *= (float) (0.01 + (30 - 0.01) * (i - WIDTH) / (WIDTH - 1));
      } else if (i < 16) {
        x[i] = 0;
      }
    }
    return x;
  }

  private static float[] round(Activations activations, float inputScale, float[] x) {
    try (var _ = new PointerScope()) {
      var input = Torch.ofFloats(x, 1, x.length / WIDTH, WIDTH);
      return Torch.floats(new InputRounding(activations, inputScale, 0).apply(input));
    }
  }

  private static void expect(
      Activations activations, double firstSum, double secondSum, double squares) {
    var x = tokens();
    float largest = 0;
    for (float value : x) {
      largest = Math.max(largest, Math.abs(value));
    }
    // A static scale that covers half the range shows what is cut off.
    float scale =
        activations instanceof Activations.PerTensor
            ? activations.inputScale(largest / 2)
            : activations.inputScale(largest);
    var rounded = round(activations, scale, x);
    var sums = new double[2];
    double energy = 0;
    for (int i = 0; i < rounded.length; i++) {
      sums[i / WIDTH] += rounded[i];
      energy += (double) rounded[i] * rounded[i];
    }
    assertThat(sums[0]).isCloseTo(firstSum, within(1e-4));
    assertThat(sums[1]).isCloseTo(secondSum, within(1e-3));
    assertThat(energy).isCloseTo(squares, within(squares * 1e-6));
  }

  @Test
  void integersByToken() {
    expect(Activations.INT8_TOKEN, 11.000086, 215.101831, 93602.9528);
    expect(new Activations.PerToken(IntegerType.INT4), 10.045533, 210.965260, 94749.7402);
  }

  @Test
  void floatsByTokenAndByGroup() {
    expect(Activations.FP8_TOKEN, 10.885967, 218.680918, 93866.6700);
    expect(
        new Activations.PerGroup(FloatType.E4M3, 16, GroupScale.FLOAT),
        10.885967,
        222.919273,
        94066.5614);
  }

  @Test
  void powersOfTwoByGroup() {
    expect(Activations.MXFP4, 11.5, 208, 100272.75);
    expect(Activations.MXFP8, 10.6640625, 197.25390625, 92320.6324);
  }

  @Test
  void fourBitsWithAGlobalScale() {
    expect(Activations.NVFP4, 11.282089, 217.008536, 94911.9017);
  }

  @Test
  void oneScaleForAllTokensCutsOffWhatIsBeyondIt() {
    expect(new Activations.PerTensor(IntegerType.INT8), 10.858506, 107.033836, 54966.1226);
    expect(Activations.FP8_TENSOR, 11.616259, 115.081616, 55286.2519);
  }

  @Test
  void anInputOfZerosStaysZeros() {
    for (var activations :
        new Activations[] {
          Activations.INT8_TOKEN, Activations.FP8_TOKEN, Activations.MXFP4, Activations.NVFP4
        }) {
      assertThat(round(activations, 1, new float[WIDTH])).containsOnly(0);
    }
  }

  @Test
  void aTokenDoesNotDependOnOthers() {
    var random = new Random(4);
    var x = new float[3 * WIDTH];
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) random.nextGaussian() * (i < WIDTH ? 1000 : 1);
    }
    var alone = java.util.Arrays.copyOfRange(x, WIDTH, 2 * WIDTH);
    for (var activations : new Activations[] {Activations.INT8_TOKEN, Activations.MXFP4}) {
      var together = round(activations, 1, x);
      assertThat(java.util.Arrays.copyOfRange(together, WIDTH, 2 * WIDTH))
          .containsExactly(round(activations, 1, alone));
    }
  }

  /** (W Hb) (Hb x) = W x, and what is rounded is Hb x. */
  @Test
  void aRotatedInputIsRoundedAfterItsRotation() {
    var random = new Random(8);
    var scheme = FloatScheme.mxfp4(Activations.MXFP4);
    var codes = new byte[3 * WIDTH];
    for (int i = 0; i < codes.length; i++) {
      codes[i] = scheme.type().encode((float) random.nextGaussian() * 2);
    }
    var scales =
        new ai.lathe.tensor.Tensor(
            DType.F8_E8M0,
            new long[] {3, 1},
            MemorySegment.ofArray(new byte[] {127, 126, (byte) 128}));
    var inner = new FloatQuantized(scheme, 3, WIDTH, codes, scales, 1, Float.NaN);
    var x = tokens();
    var rotated = x.clone();
    WalshHadamard.rotate(rotated, 0, rotated.length, 16);
    var expected = round(Activations.MXFP4, 1, rotated);
    var weight = inner.decode();
    try (var _ = new PointerScope();
        var linear = TorchLinear.of(new Rotated(16, inner), null, Precision.FLOAT32)) {
      var y = Torch.floats(linear.forward(Torch.ofFloats(x, 2, WIDTH)));
      for (int token = 0; token < 2; token++) {
        for (int row = 0; row < 3; row++) {
          double sum = 0;
          for (int j = 0; j < WIDTH; j++) {
            sum += (double) weight.at(row, j) * expected[token * WIDTH + j];
          }
          assertThat((double) y[token * 3 + row]).isCloseTo(sum, within(1e-3));
        }
      }
    }
  }

  @Test
  void aScaleThatIsNeededAndMissingIsSaid() {
    assertThatThrownBy(() -> new InputRounding(Activations.FP8_TENSOR, Float.NaN, 0))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("needs a positive scale");
  }

  @Test
  void groupsThatDoNotDivideTheInputAreRefused() {
    var odd = new Activations.PerGroup(FloatType.E2M1, 24, GroupScale.E8M0);
    assertThatThrownBy(() -> round(odd, 1, tokens()))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("groups of 24 do not divide an input of 32");
  }
}

package ai.lathe.runtime.kernel.layout;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.runtime.kernel.Workers;
import ai.lathe.tensor.IntegerType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.IntBuffer;
import java.util.Random;
import org.junit.jupiter.api.Test;

class Int8InputTest {

  private static final InputRule TOKEN =
      new InputRule(InputRule.Scales.TOKEN, IntegerType.INT8, Float.NaN, null);

  static Int8Input made(InputRule rule, int columns, float... values) {
    var input = new Int8Input(new PlainRounding(rule));
    try (var workers = new Workers(2)) {
      input.make(MemorySegment.ofArray(values), values.length / columns, columns, workers);
    }
    return input;
  }

  private static int code(Int8Input input, int token, int column) {
    return input.codes().get(ValueLayout.JAVA_BYTE, input.codeAt(token) + column);
  }

  private static float scale(Int8Input input, int token, int block) {
    return input.scales().getAtIndex(ValueLayout.JAVA_FLOAT, input.blockAt(token) + block);
  }

  /** Every value is within half a step of its code; the largest is 127 with its sign. */
  @Test
  void blocksOf32() {
    var random = new Random(1);
    var x = new float[3 * 72];
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) (random.nextGaussian() * Math.exp(20 * random.nextGaussian()));
    }
    var input = made(InputRule.blocks(null), 72, x);
    assertThat(input.padded()).isEqualTo(128);
    for (int t = 0; t < 3; t++) {
      for (int b = 0; b < 4; b++) {
        float largest = 0;
        int sum = 0;
        for (int k = 32 * b; k < 32 * b + 32; k++) {
          float value = k < 72 ? x[t * 72 + k] : 0;
          largest = Math.max(largest, Math.abs(value));
          sum += code(input, t, k);
          double error = value - (double) scale(input, t, b) * code(input, t, k);
          assertThat(Math.abs(error)).isLessThanOrEqualTo(0.50001 * scale(input, t, b));
        }
        assertThat(scale(input, t, b)).isEqualTo(largest / 127);
        long at = input.blockAt(t) + b;
        assertThat(input.sums().getAtIndex(ValueLayout.JAVA_INT, at)).isEqualTo(sum);
        int halves =
            input.halfSums().getAtIndex(ValueLayout.JAVA_INT, 2 * at)
                + input.halfSums().getAtIndex(ValueLayout.JAVA_INT, 2 * at + 1);
        assertThat(halves).isEqualTo(sum);
      }
    }
  }

  /** By hand: ties go to the even code. */
  @Test
  void tiesGoToTheEvenCode() {
    var x = new float[32];
    System.arraycopy(new float[] {-127, 0.5f, 1.5f, 2.5f, -2.5f, 126.5f}, 0, x, 0, 6);
    var input = made(InputRule.blocks(null), 32, x);
    assertThat(scale(input, 0, 0)).isEqualTo(1);
    int[] expected = {-127, 0, 2, 2, -2, 126};
    for (int k = 0; k < expected.length; k++) {
      assertThat(code(input, 0, k)).isEqualTo(expected[k]);
    }
  }

  @Test
  void zerosHugeAndTinyValues() {
    var x = new float[4 * 32];
    x[32] = -Float.MAX_VALUE;
    x[33] = Float.MAX_VALUE / 2;
    x[64] = Float.MIN_VALUE;
    x[96] = -0x1p-100f;
    var input = made(InputRule.blocks(null), 128, x);
    assertThat(scale(input, 0, 0)).isZero();
    assertThat(code(input, 0, 32)).isEqualTo(-127);
    assertThat(code(input, 0, 33)).isEqualTo(64);
    assertThat(scale(input, 0, 1)).isFinite();
    assertThat(scale(input, 0, 2)).isZero();
    assertThat(code(input, 0, 64)).isZero();
    assertThat(code(input, 0, 96)).isEqualTo(-127);
  }

  @Test
  void whatIsNoNumberIsSeenInTheScale() {
    for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
      var x = new float[64];
      x[5] = 1;
      x[40] = bad;
      var blocks = made(InputRule.blocks(null), 64, x);
      assertThat(scale(blocks, 0, 0)).isFinite();
      assertThat(scale(blocks, 0, 1)).isNaN();
      var token = made(TOKEN, 64, x);
      assertThat(scale(token, 0, 0)).isNaN();
      assertThat(scale(token, 0, 1)).isNaN();
    }
  }

  /** By hand: the range is -128 to 127, and 127.5 steps reach the largest magnitude. */
  @Test
  void oneScaleForATokenIsThatOfItsActivations() {
    var x = new float[64];
    x[0] = -255;
    x[1] = 255;
    x[2] = 3;
    x[40] = -5;
    var input = made(TOKEN, 64, x);
    assertThat(scale(input, 0, 0)).isEqualTo(2);
    assertThat(scale(input, 0, 1)).isEqualTo(2);
    assertThat(code(input, 0, 0)).isEqualTo(-128);
    assertThat(code(input, 0, 1)).isEqualTo(127);
    assertThat(code(input, 0, 2)).isEqualTo(2);
    assertThat(code(input, 0, 40)).isEqualTo(-2);
    var fixed = new InputRule(InputRule.Scales.FIXED, IntegerType.INT8, 0.5f, null);
    var calibrated = made(fixed, 64, x);
    assertThat(scale(calibrated, 0, 1)).isEqualTo(0.5f);
    assertThat(code(calibrated, 0, 0)).isEqualTo(-128);
    assertThat(code(calibrated, 0, 2)).isEqualTo(6);
  }

  @Test
  void columnsAreTakenInTheWeightsOrder() {
    var x = new float[64];
    var order = new int[64];
    for (int k = 0; k < 64; k++) {
      x[k] = k < 32 ? 100 * (k - 16) : k;
      order[k] = 63 - k;
    }
    var input = made(InputRule.blocks(IntBuffer.wrap(order)), 64, x);
    assertThat(scale(input, 0, 0)).isEqualTo(63f / 127);
    assertThat(code(input, 0, 0)).isEqualTo(127);
    assertThat(code(input, 0, 63)).isEqualTo(-127);
  }

  /** Memory of a larger input before is no part of a smaller one after it. */
  @Test
  void paddingIsZeroAfterOtherInputs() {
    var input = new Int8Input(new PlainRounding(InputRule.blocks(null)));
    try (var workers = new Workers(1)) {
      var first = new float[128];
      java.util.Arrays.fill(first, 3);
      input.make(MemorySegment.ofArray(first), 1, 128, workers);
      input.make(MemorySegment.ofArray(first), 1, 40, workers);
    }
    assertThat(input.padded()).isEqualTo(64);
    for (int k = 40; k < 64; k++) {
      assertThat(code(input, 0, k)).isZero();
    }
    assertThat(input.sums().getAtIndex(ValueLayout.JAVA_INT, 1)).isEqualTo(8 * 127);
  }
}

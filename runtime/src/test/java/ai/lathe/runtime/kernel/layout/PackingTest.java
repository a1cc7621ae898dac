package ai.lathe.runtime.kernel.layout;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.tensor.Activations;
import ai.lathe.tensor.BlockQuantized;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.FloatQuantized;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import ai.lathe.tensor.block.BlockTypes;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class PackingTest {

  static List<LinearWeight> weights() {
    return Weights.all(19, 224, 1);
  }

  /** Scales that float16 holds stay as they are; others are rounded to 11 bits. */
  private static double tolerance(LinearWeight weight) {
    return switch (weight) {
      case GroupQuantized q ->
          q.scales().dtype() == DType.F32 && q.scheme().groupSize() != 0 ? 0x1p-11 : 0;
      // A division less or more.
      case FloatQuantized q -> q.scheme().global() ? 0x1p-23 : 0;
      default -> 0;
    };
  }

  @ParameterizedTest
  @MethodSource("weights")
  void packedWeightsDecodeToTheSameValues(LinearWeight weight) {
    var stripes = Packing.pack(weight, Arena.ofAuto());
    assertThat(stripes.codes().address() % 64).isZero();
    assertThat(stripes.layout().unitBytes() % 64).isZero();
    var expected = weight.decode();
    double tolerance = tolerance(weight);
    for (int row = 0; row < weight.rows(); row++) {
      for (int k = 0; k < weight.columns(); k++) {
        int column = stripes.order() == null ? k : stripes.order()[k];
        boolean plain = stripes.layout().sides() == Sides.ROW;
        float scale = plain ? 1 : stripes.scale(row, k);
        float value = scale * stripes.code(row, k) - stripes.minimum(row, k);
        double wanted = expected.values()[row * weight.columns() + column];
        assertThat((double) value * stripes.factor(row))
            .as("%s row %d column %d", weight.encoding().label(), row, column)
            // Two float32 operations on either side where there is a minimum.
            .isCloseTo(wanted, within(bound(stripes, row, k, tolerance, wanted)));
      }
    }
  }

  private static double bound(Stripes stripes, int row, int k, double tolerance, double wanted) {
    double minimum = Math.abs(stripes.minimum(row, k) * (double) stripes.factor(row));
    double parts = Math.abs(wanted) + 2 * minimum;
    return tolerance * parts + (minimum == 0 ? 0x1p-24 * Math.abs(wanted) : 0x1p-22 * parts);
  }

  /** Rows and columns that fill the last stripe and unit up add nothing. */
  @ParameterizedTest
  @MethodSource("weights")
  void whatFillsUpIsZero(LinearWeight weight) {
    var stripes = Packing.pack(weight, Arena.ofAuto());
    assertThat(stripes.codes().byteSize())
        .isEqualTo(stripes.layout().bytes(weight.rows(), weight.columns()));
    assertThat(stripes.factors().byteSize()).isEqualTo(4L * Layout.ROWS * stripes.count());
    for (int row = weight.rows(); row < stripes.count() * Layout.ROWS; row++) {
      assertThat(stripes.factor(row)).isZero();
    }
    int padded = stripes.layout().units(weight.columns()) * stripes.layout().unit();
    for (int k = weight.columns(); k < padded; k++) {
      assertThat(stripes.code(3, k)).isZero();
    }
  }

  @Test
  void bytesOfTheLayouts() {
    // 16 rows of 256 columns.
    assertThat(new Layout(4, 32, Sides.F16).stripeBytes(256)).isEqualTo(4 * 576);
    assertThat(new Layout(4, 16, Sides.F16).stripeBytes(256)).isEqualTo(4 * 640);
    assertThat(new Layout(4, 32, Sides.F16_MIN).stripeBytes(256)).isEqualTo(4 * 704);
    assertThat(new Layout(8, 32, Sides.F16).stripeBytes(256)).isEqualTo(4 * 1088);
    assertThat(new Layout(8, 32, Sides.ROW).stripeBytes(256)).isEqualTo(4 * 1024);
    assertThat(new Layout(4, 32, Sides.SUPER_MIN).stripeBytes(256)).isEqualTo(2368);
    assertThat(new Layout(4, 16, Sides.SUPER_MIN).stripeBytes(256)).isEqualTo(2624);
    assertThat(new Layout(8, 32, Sides.SUPER_MIN).stripeBytes(256)).isEqualTo(4416);
    assertThat(new Layout(6, 16, Sides.SUPER).stripeBytes(256)).isEqualTo(3392);
  }

  @Test
  void scalesOfAnyMagnitudeStayExact() {
    for (float scale : new float[] {0x1p-24f, 1023 * 0x1p-24f, 65504, 0x1.ffcp-9f}) {
      var block = new byte[34];
      int bits = Float.floatToFloat16(scale);
      block[0] = (byte) bits;
      block[1] = (byte) (bits >> 8);
      block[2] = 5;
      var weight = new BlockQuantized(BlockTypes.Q8_0, 1, 32, MemorySegment.ofArray(block));
      var stripes = Packing.pack(weight, Arena.ofAuto());
      assertThat(stripes.scale(0, 0) * 5 * stripes.factor(0)).isEqualTo(5 * scale);
      assertThat(stripes.scale(0, 0)).isGreaterThanOrEqualTo(0x1p-14f);
    }
  }

  @Test
  void aScaleThatIsNoNumberMakesItsRowNone() {
    var block = new byte[2 * 34];
    block[1] = 0x7C;
    block[36] = 1;
    var weight = new BlockQuantized(BlockTypes.Q8_0, 2, 32, MemorySegment.ofArray(block));
    var stripes = Packing.pack(weight, Arena.ofAuto());
    assertThat(stripes.factor(0)).isNaN();
    assertThat(stripes.factor(1)).isFinite();
  }

  @Test
  void whatHasNoIntegerLayout() {
    var random = new Random(2);
    var odd = Weights.groups(4, 24, true, Activations.NONE, DType.F16, 4, 96, random);
    assertThat(Packing.layout(odd)).isEmpty();
    assertThat(Packing.layout(new Dense(Tensor.ofFloats(new float[6], 2, 3)))).isEmpty();
    var shuffled = new int[96];
    for (int j = 0; j < 96; j++) {
      shuffled[j] = j < 40 ? 0 : j < 70 ? 1 : 2;
    }
    var uneven = Weights.groups(4, 32, true, Activations.NONE, DType.F16, 4, 96, random);
    assertThat(
            Packing.layout(
                new GroupQuantized(
                    uneven.scheme(), 4, 96, uneven.codes(), uneven.scales(), null, shuffled)))
        .isEmpty();
  }
}

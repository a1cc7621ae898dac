package ai.lathe.tensor.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.tensor.BlockType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class BlockFitTest {

  static List<BlockType> types() {
    return BlockTypes.all();
  }

  private static float[] gaussian(int n, double deviation, long seed) {
    var random = new Random(seed);
    var x = new float[n];
    for (int i = 0; i < n; i++) {
      x[i] = (float) (random.nextGaussian() * deviation);
    }
    return x;
  }

  private static float[] roundTrip(BlockType type, float[] x, float[] importance) {
    var blocks = MemorySegment.ofArray(new byte[(int) type.bytes(1, x.length)]);
    BlockEncoder.encode(type, x, 0, x.length, importance, blocks, 0);
    var decoded = new float[x.length];
    for (int block = 0; block < x.length / type.size(); block++) {
      type.decode(blocks, (long) block * type.bytes(), decoded, block * type.size());
    }
    return decoded;
  }

  private static double meanSquare(float[] x, float[] decoded, float[] weights) {
    double sum = 0;
    for (int i = 0; i < x.length; i++) {
      double error = (double) x[i] - decoded[i];
      sum += (weights == null ? 1 : weights[i]) * error * error;
    }
    return sum / x.length;
  }

  /**
   * Upper bounds: what ggml's ggml_quantize_chunk (without importance) leaves on a million standard
   * normal weights, measured with tools/CompareBlockEncoders.java, relative to the deviation.
   */
  @ParameterizedTest
  @CsvSource({
    "Q8_0, 0.005349",
    "Q5_0, 0.042669",
    "Q5_1, 0.037856",
    "Q4_0, 0.08581",
    "Q4_1, 0.07827",
    "IQ4_NL, 0.07624",
    "Q6_K, 0.017762",
    "Q5_K, 0.036142",
    "Q4_K, 0.07128",
    "Q3_K, 0.15082",
    "Q2_K, 0.29647",
    "MXFP4, 0.11391",
  })
  void errorOnNormalWeightsIsBelowTheReferenceEncoders(String name, double reference) {
    var x = gaussian(1 << 18, 1, 5);
    double error = Math.sqrt(meanSquare(x, roundTrip(BlockTypes.named(name), x, null), null));
    assertThat(error).isLessThan(reference).isGreaterThan(0.8 * reference);
  }

  /** Scale and minimum of each group from its ends, rounded to 6 bits of the block's largest. */
  @Test
  void searchedScalesBeatThoseFromMinimumAndMaximum() {
    var type = BlockTypes.Q4_K;
    var x = gaussian(64 * 256, 0.02, 9);
    var naive = new float[x.length];
    for (int at = 0; at < x.length; at += 256) {
      var scale = new double[8];
      var shift = new double[8];
      for (int g = 0; g < 8; g++) {
        var sorted = Arrays.copyOfRange(x, at + 32 * g, at + 32 * g + 32);
        Arrays.sort(sorted);
        shift[g] = -Math.min(0, sorted[0]);
        scale[g] = (sorted[31] + shift[g]) / 15;
      }
      double d = Arrays.stream(scale).max().orElseThrow() / 63;
      double dmin = Arrays.stream(shift).max().orElseThrow() / 63;
      for (int i = 0; i < 256; i++) {
        double s = d * Math.round(scale[i / 32] / d);
        double m = dmin * Math.round(shift[i / 32] / dmin);
        naive[at + i] = (float) (s * Math.clamp(Math.round((x[at + i] + m) / s), 0, 15) - m);
      }
    }
    double searched = meanSquare(x, roundTrip(type, x, null), null);
    assertThat(searched).isLessThan(0.95 * meanSquare(x, naive, null));
  }

  @ParameterizedTest
  @MethodSource("types")
  void importanceLowersTheErrorThatItWeighs(BlockType type) {
    var x = gaussian(256 * 64, 1, 11);
    var importance = new float[x.length];
    var random = new Random(12);
    for (int i = 0; i < x.length; i++) {
      importance[i] = (float) Math.exp(2 * random.nextGaussian()) * 1e20f;
    }
    double without = meanSquare(x, roundTrip(type, x, null), importance);
    double with = meanSquare(x, roundTrip(type, x, importance), importance);
    assertThat(with).isLessThan(0.97 * without);
  }

  @ParameterizedTest
  @MethodSource("types")
  void deadInputsAreStoredAsIfNoImportanceWereGiven(BlockType type) {
    var x = gaussian(256, 1, 13);
    assertThat(roundTrip(type, x, new float[256])).isEqualTo(roundTrip(type, x, null));
  }

  @ParameterizedTest
  @MethodSource("types")
  void zerosStayZero(BlockType type) {
    for (float value : roundTrip(type, new float[512], null)) {
      assertThat(value == 0).isTrue(); // of either sign
    }
    var oneGroup = new float[256];
    Arrays.fill(oneGroup, 0, 16, 0.5f);
    var decoded = roundTrip(type, oneGroup, null);
    for (int i = 32; i < 256; i++) {
      assertThat(decoded[i] == 0).isTrue();
    }
    assertThat(decoded[3]).isBetween(0.49f, 0.51f);
  }

  /** Below what its scale can reach, the error is at most half of a type's smallest step. */
  @ParameterizedTest
  @MethodSource("types")
  void tinyWeightsAreNotLostBeforeTheyMust(BlockType type) {
    for (double deviation : new double[] {1e-6, 1e-7, 1e-8, 1e-20, 1e-40}) {
      var x = gaussian(256, deviation, 17);
      var decoded = roundTrip(type, x, null);
      for (int i = 0; i < x.length; i++) {
        double step = Math.max(smallestStep(type), 4 * deviation);
        assertThat((double) decoded[i]).isBetween(x[i] - 0.51 * step, x[i] + 0.51 * step);
      }
    }
  }

  /** The smallest scale that is stored, times the widest gap between two levels around zero. */
  private static double smallestStep(BlockType type) {
    return switch (type.name()) {
      case "NVFP4" -> 0x1p-10;
      case "MXFP4" -> 0x1p-128;
      case "IQ4_NL" -> 11 * 0x1p-24;
      default -> 0x1p-24;
    };
  }

  @ParameterizedTest
  @MethodSource("types")
  void whatTheScaleCannotReachIsRefused(BlockType type) {
    if (type == BlockTypes.MXFP4) {
      return; // whose scales reach as far as float32 does
    }
    for (float huge : new float[] {1e12f, 3e38f}) {
      var x = gaussian(256, 1, 19);
      x[40] = huge;
      assertThatThrownBy(() -> roundTrip(type, x, null))
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("too large for " + type.name());
    }
  }

  /** What a power of two scales is as good at any magnitude. */
  @Test
  void powersOfTwoScaleWhateverFloat32Holds() {
    var x = gaussian(1024, 1, 21);
    var decoded = roundTrip(BlockTypes.MXFP4, x, null);
    for (int exponent : new int[] {-110, -60, 60, 124}) {
      var shifted = new float[x.length];
      for (int i = 0; i < x.length; i++) {
        shifted[i] = Math.scalb(x[i], exponent);
        decoded[i] += 0f; // zeros of either sign
      }
      var back = roundTrip(BlockTypes.MXFP4, shifted, null);
      for (int i = 0; i < x.length; i++) {
        back[i] = Math.scalb(back[i], -exponent) + 0f;
      }
      assertThat(back).as("times 2^%d", exponent).isEqualTo(decoded);
    }
  }

  @ParameterizedTest
  @MethodSource("types")
  void notANumberAndInfinitiesAreRefused(BlockType type) {
    for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
      var x = gaussian(256, 1, 23);
      x[255] = bad;
      assertThatThrownBy(() -> roundTrip(type, x, null))
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("NaN or an infinity");
      var importance = new float[256];
      importance[7] = bad;
      assertThatThrownBy(() -> roundTrip(type, gaussian(256, 1, 29), importance))
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("importance");
    }
  }

  @ParameterizedTest
  @MethodSource("types")
  void aMatrixIsEncodedRowByRow(BlockType type) {
    var matrix = new Matrix(5, 512, gaussian(5 * 512, 1, 31));
    var importance = gaussian(512, 1, 37);
    for (int i = 0; i < 512; i++) {
      importance[i] *= importance[i];
    }
    var whole = BlockEncoder.encode(type, Dense.of(matrix), importance, Arena.ofAuto()).decode();
    for (int row = 0; row < 5; row++) {
      var values = Arrays.copyOfRange(matrix.values(), row * 512, row * 512 + 512);
      assertThat(Arrays.copyOfRange(whole.values(), row * 512, row * 512 + 512))
          .isEqualTo(roundTrip(type, values, importance));
    }
  }

  @Test
  void rowsThatBlocksDoNotDivideAreRefused() {
    assertThatThrownBy(
            () ->
                BlockEncoder.encode(
                    BlockTypes.Q4_K, Dense.of(Matrix.zeros(2, 172)), null, Arena.ofAuto()))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("a row of 172 is not a multiple");
  }

  /** Any finite weights at all: the nearest codes are the nearest, and the error has a bound. */
  @Property(tries = 500)
  void everyWeightGetsItsNearestCode(
      @ForAll("blockTypes") BlockType type, @ForAll("weights") float[] all) {
    var x = Arrays.copyOf(all, type.size());
    var scales = type.fit(x, 0, null);
    var decoded = roundTrip(type, x, null);
    for (int i = 0; i < x.length; i++) {
      int group = i / type.groupSize();
      float scale = scales.scale()[group];
      double least = Double.POSITIVE_INFINITY;
      for (int code = 0; code < type.codes(); code++) {
        double value = scale * type.level(code) + scales.offset()[group];
        least = Math.min(least, Math.abs(value - x[i]));
      }
      assertThat(Math.abs((double) decoded[i] - x[i]))
          .isLessThanOrEqualTo(least + 1e-5 * Math.abs(scale) + 1e-6 * Math.abs(x[i]));
    }
  }

  @Provide
  Arbitrary<BlockType> blockTypes() {
    return Arbitraries.of(BlockTypes.all());
  }

  /** Gaussian, constant, one-sided, sparse and with outliers, of any magnitude. */
  @Provide
  Arbitrary<float[]> weights() {
    var seeds = Arbitraries.longs();
    var magnitudes = Arbitraries.doubles().between(-9, 1).map(e -> Math.pow(10, e));
    var kinds = Arbitraries.integers().between(0, 4);
    return Combinators.combine(seeds, magnitudes, kinds)
        .as(
            (seed, magnitude, kind) -> {
              var x = gaussian(256, magnitude, seed);
              var random = new Random(seed);
              for (int i = 0; i < x.length; i++) {
                x[i] =
                    switch (kind) {
                      case 1 -> x[0];
                      case 2 -> Math.abs(x[i]) + magnitude.floatValue();
                      case 3 -> random.nextInt(10) == 0 ? x[i] : 0;
                      case 4 -> random.nextInt(30) == 0 ? 30 * x[i] : x[i];
                      default -> x[i];
                    };
              }
              return x;
            });
  }
}

package ai.lathe.runtime.kernel.vector;

import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LT;
import static jdk.incubator.vector.VectorOperators.NEG;

import ai.lathe.model.architecture.Architecture.Activation;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Functions of every element of an array. There is one vector exponential, {@link #exp}, which
 * works on memory: as a function of vectors it would be inlined at the mercy of the JIT compiler.
 *
 * <p>All counts are multiples of a vector's length.
 */
final class Elementwise {

  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = SPECIES.length();

  /** Adding and subtracting it leaves no bits for a fraction. */
  private static final float TO_INTEGER = 0x1.8p23f;

  private static final float LOG2_E = (float) (1 / Math.log(2));

  /** {@code ln 2} in two parts; a whole number below 2^9 times the first is exact. */
  private static final float LN2_HIGH = 0x1.62e4p-1f;

  private static final float LN2_LOW = (float) (Math.log(2) - LN2_HIGH);

  /** Where a float32 exponential has become 0 or infinite. */
  private static final float LOWEST = -105;

  private static final float HIGHEST = 90;

  /** From it on a power of two is a normal number. */
  private static final float NORMAL = -126;

  private static final int ONE_BITS = Float.floatToRawIntBits(1);

  private static final double LN2 = 0.6931471805599453;

  // log2(erfc(a) / t) + a^2 log2(e) as a polynomial of t = 2 / (2 + a): Chebyshev interpolation for
  // a in [0, 10], off by 7e-8 at most. Constants, because elements of an array would be loaded and
  // spread out for each vector.
  private static final float ERFC0 = (float) (-1.265447974205017 / LN2);
  private static final float ERFC1 = (float) (0.9986327886581421 / LN2);
  private static final float ERFC2 = (float) (0.38664039969444275 / LN2);
  private static final float ERFC3 = (float) (0.03460279852151871 / LN2);
  private static final float ERFC4 = (float) (0.0012675864854827523 / LN2);
  private static final float ERFC5 = (float) (-0.08028043061494827 / LN2);
  private static final float ERFC6 = (float) (-0.6962518692016602 / LN2);
  private static final float ERFC7 = (float) (1.156733751296997 / LN2);
  private static final float ERFC8 = (float) (-0.6808272004127502 / LN2);
  private static final float ERFC9 = (float) (0.14493021368980408 / LN2);

  /** With which {@code t = 2 / (2 + |x| / sqrt(2))} takes no product. */
  private static final float TWO_ROOTS = (float) (2 * Math.sqrt(2));

  /** Where tanh is taken from its power series; above, from an exponential. */
  private static final float TANH_SERIES = 0.25f;

  private Elementwise() {}

  /** {@code x = f(x)}. @param power for intermediate values */
  static void activate(Activation f, float[] x, float[] power, int n) {
    switch (f) {
      case SILU -> logistic(1, 0, x, power, n);
      // (1 + tanh(u)) / 2 is the logistic function of 2 u.
      case GELU_TANH -> {
        double slope = 2 * Math.sqrt(2 / Math.PI);
        logistic((float) slope, (float) (slope * 0.044715), x, power, n);
      }
      case GELU -> gelu(x, n);
      case RELU -> {
        for (int i = 0; i < n; i++) {
          x[i] = Math.max(x[i], 0);
        }
      }
    }
  }

  /** {@code x *= y}. */
  static void multiply(float[] x, float[] y, int n) {
    for (int i = 0; i < n; i += LANES) {
      FloatVector.fromArray(SPECIES, x, i)
          .mul(FloatVector.fromArray(SPECIES, y, i))
          .intoArray(x, i);
    }
  }

  /** {@code x = exp(x - top)}; the sum of the results. */
  static double powersAbove(float top, float[] x, int n) {
    for (int i = 0; i < n; i += LANES) {
      FloatVector.fromArray(SPECIES, x, i).sub(top).intoArray(x, i);
    }
    exp(x, n);
    var sum = FloatVector.zero(SPECIES);
    for (int i = 0; i < n; i += LANES) {
      sum = sum.add(FloatVector.fromArray(SPECIES, x, i));
    }
    var lanes = Scratch.get().lanes;
    sum.intoArray(lanes, 0);
    return Lanes.sum(lanes, 0);
  }

  /** {@code x = exp(x)}, within two units in the last place. */
  static void exp(float[] x, int n) {
    for (int i = 0; i < n; i += LANES) {
      var v = FloatVector.fromArray(SPECIES, x, i);
      // By comparison, which lets NaN through.
      v = v.blend(LOWEST, v.compare(LT, LOWEST));
      v = v.blend(HIGHEST, v.compare(GT, HIGHEST));
      var shifted = v.mul(LOG2_E).add(TO_INTEGER);
      var whole = shifted.sub(TO_INTEGER);
      var exponent = shifted.reinterpretAsInts().sub(Float.floatToRawIntBits(TO_INTEGER));
      var rest = whole.fma(FloatVector.broadcast(SPECIES, -LN2_HIGH), v);
      rest = whole.fma(FloatVector.broadcast(SPECIES, -LN2_LOW), rest);
      // The power series to the seventh power: |rest| <= ln 2 / 2.
      var sum = rest.mul(1f / 5040).add(1f / 720);
      sum = sum.fma(rest, FloatVector.broadcast(SPECIES, 1f / 120));
      sum = sum.fma(rest, FloatVector.broadcast(SPECIES, 1f / 24));
      sum = sum.fma(rest, FloatVector.broadcast(SPECIES, 1f / 6));
      sum = sum.fma(rest, FloatVector.broadcast(SPECIES, 0.5f));
      sum = sum.fma(rest.mul(rest), rest).add(1);
      // 2^exponent in two factors, because it may itself be too small or too large for a float.
      var half = exponent.lanewise(ASHR, 1);
      var low = half.add(127).lanewise(LSHL, 23).reinterpretAsFloats();
      var high = exponent.sub(half).add(127).lanewise(LSHL, 23).reinterpretAsFloats();
      sum.mul(low).mul(high).intoArray(x, i);
    }
  }

  /** {@code x = x / (1 + exp(-(linear x + cubic x^3)))}. */
  private static void logistic(float linear, float cubic, float[] x, float[] power, int n) {
    for (int i = 0; i < n; i += LANES) {
      var v = FloatVector.fromArray(SPECIES, x, i);
      // A square that overflows must not become NaN where the cubic part is zero.
      var square = v.mul(v);
      square = square.blend(Float.MAX_VALUE, square.compare(GT, Float.MAX_VALUE));
      square.mul(-cubic).sub(linear).mul(v).intoArray(power, i);
    }
    exp(power, n);
    for (int i = 0; i < n; i += LANES) {
      FloatVector.fromArray(SPECIES, x, i)
          .div(FloatVector.fromArray(SPECIES, power, i).add(1))
          .intoArray(x, i);
    }
  }

  /**
   * {@code x} times the normal distribution's probability of less than {@code x}. In one pass, with
   * one division and a power of two of its own: with {@link #exp} between two passes this took
   * three times as long.
   */
  private static void gelu(float[] x, int n) {
    for (int i = 0; i < n; i += LANES) {
      var v = FloatVector.fromArray(SPECIES, x, i);
      var t = FloatVector.broadcast(SPECIES, TWO_ROOTS).div(v.abs().add(TWO_ROOTS));
      var log = t.mul(ERFC9).add(ERFC8);
      log = log.fma(t, FloatVector.broadcast(SPECIES, ERFC7));
      log = log.fma(t, FloatVector.broadcast(SPECIES, ERFC6));
      log = log.fma(t, FloatVector.broadcast(SPECIES, ERFC5));
      log = log.fma(t, FloatVector.broadcast(SPECIES, ERFC4));
      log = log.fma(t, FloatVector.broadcast(SPECIES, ERFC3));
      log = log.fma(t, FloatVector.broadcast(SPECIES, ERFC2));
      log = log.fma(t, FloatVector.broadcast(SPECIES, ERFC1));
      log = log.fma(t, FloatVector.broadcast(SPECIES, ERFC0));
      log = v.mul(v).fma(FloatVector.broadcast(SPECIES, -0.5f * ScoreMath.LOG2_E), log);
      // Never above 0; so far below it is nothing. A comparison lets NaN through.
      var none = log.compare(LT, NORMAL);
      log = log.blend(NORMAL, none);
      var shifted = log.add(TO_INTEGER);
      var f = log.sub(shifted.sub(TO_INTEGER));
      var p = f.mul(ScoreMath.C5).add(ScoreMath.C4);
      p = p.fma(f, FloatVector.broadcast(SPECIES, ScoreMath.C3));
      p = p.fma(f, FloatVector.broadcast(SPECIES, ScoreMath.C2));
      p = p.fma(f, FloatVector.broadcast(SPECIES, ScoreMath.C1));
      p = p.fma(f, FloatVector.broadcast(SPECIES, ScoreMath.C0)).mul(f);
      // Half of erfc(|x| / sqrt(2)), the probability beyond |x|, but for a power of two.
      var half = t.mul(0.5f);
      var mantissa = p.fma(half, half).blend(0, none);
      var exponent = shifted.reinterpretAsInts().lanewise(LSHL, 23).add(ONE_BITS);
      var beyond = mantissa.mul(exponent.reinterpretAsFloats());
      var below = beyond.lanewise(NEG).add(1).blend(beyond, v.compare(LT, 0));
      v.mul(below).intoArray(x, i);
    }
  }

  /** {@code x = cap tanh(x / cap)}. */
  static void cap(float cap, float[] x, float[] power, int n) {
    for (int i = 0; i < n; i += LANES) {
      FloatVector.fromArray(SPECIES, x, i).abs().mul(2 / cap).intoArray(power, i);
    }
    exp(power, n);
    for (int i = 0; i < n; i += LANES) {
      var v = FloatVector.fromArray(SPECIES, x, i);
      var y = v.mul(1 / cap);
      var square = y.mul(y);
      var series = square.mul(62f / 2835).sub(17f / 315);
      series = series.fma(square, FloatVector.broadcast(SPECIES, 2f / 15));
      series = series.fma(square, FloatVector.broadcast(SPECIES, -1f / 3));
      series = series.mul(square).mul(v).add(v);
      var twoOver =
          FloatVector.broadcast(SPECIES, -2 * cap)
              .div(FloatVector.fromArray(SPECIES, power, i).add(1));
      var large = twoOver.add(cap);
      large = large.blend(large.lanewise(NEG), v.compare(LT, 0));
      large.blend(series, y.abs().compare(LT, TANH_SERIES)).intoArray(x, i);
    }
  }
}

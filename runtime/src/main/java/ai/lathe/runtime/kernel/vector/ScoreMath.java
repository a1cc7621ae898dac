package ai.lathe.runtime.kernel.vector;

import static ai.lathe.runtime.kernel.vector.TileProduct.LANES;
import static ai.lathe.runtime.kernel.vector.TileProduct.SPECIES;

import ai.lathe.runtime.kernel.attention.KeyValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * What is done to scores between the products of attention: caps, and the powers of two that
 * softmax is made of. Rows are {@link KeyValueLayout#POSITIONS} apart, of whole vectors.
 */
final class ScoreMath {

  /** What scores are multiplied by, so that powers of e become powers of two. */
  static final float LOG2_E = (float) (1 / Math.log(2));

  private static final int POSITIONS = KeyValueLayout.POSITIONS;

  /** Powers may come to two to this: far from what a float can hold, and seldom raised. */
  private static final float SLACK = 10;

  /** Powers below are zero. */
  private static final float LEAST = -127;

  /** Added to a number it leaves the nearest integer, plus the bias of exponents, at the end. */
  private static final float ROUND = 0x1.8p23f + 127;

  // (2^f - 1) / f for |f| <= 1/2, interpolated at Chebyshev nodes: 2^f to 9e-9, relative.
  static final float C0 = 0.6931472f;
  static final float C1 = 0.2402265f;
  static final float C2 = 0.05550357f;
  static final float C3 = 0.009618057f;
  static final float C4 = 0.0013390867f;
  static final float C5 = 0.00015461448f;

  private ScoreMath() {}

  /**
   * Raises what powers of a row refer to, where one of its elements is more than {@link #SLACK}
   * above it. The largest element would do as well, but finding it costs more than the powers.
   *
   * @param from where elements {@code [from, to)} of the first of {@code n} rows stand, and their
   *     like
   * @param keep is given the share of their sums that rows keep
   */
  static void refer(float[] x, int from, int to, int n, float[] references, int row, float[] keep) {
    for (int r = 0; r < n; r++) {
      int at = from + r * POSITIONS;
      int end = to + r * POSITIONS;
      var largest = FloatVector.fromArray(SPECIES, x, at);
      for (int i = at + LANES; i < end; i += LANES) {
        var next = FloatVector.fromArray(SPECIES, x, i);
        largest = largest.blend(next, next.compare(VectorOperators.GT, largest));
      }
      float old = references[row + r];
      if (largest.compare(VectorOperators.GT, old + SLACK).anyTrue()) {
        float larger = largest.reduceLanes(VectorOperators.MAX);
        references[row + r] = larger;
        keep[r] = power(old - larger);
      } else {
        keep[r] = 1;
      }
    }
  }

  /** {@code 2^x}, as {@link #powers} computes it. */
  private static float power(float x) {
    float power = Math.max(x, LEAST);
    float rounded = power + ROUND;
    float f = power - (rounded - ROUND);
    float p = f * C5 + C4;
    p = Math.fma(p, f, C3);
    p = Math.fma(p, f, C2);
    p = Math.fma(p, f, C1);
    p = Math.fma(p, f, C0);
    float two = Float.intBitsToFloat(Float.floatToRawIntBits(rounded) << 23);
    return Math.fma(p * f, two, two);
  }

  /**
   * {@code x = 2^(x - reference)} for {@code n} rows, elements {@code [from, to)} of the first, and
   * their like. Sums stay apart by lanes, {@code sums = keep sums + new ones}: in which order lanes
   * of one vector are added up is not the same in interpreted and in compiled code.
   */
  static void powers(
      float[] x, int from, int to, int n, float[] references, int row, float[] keep, float[] sums) {
    for (int r = 0; r < n; r++) {
      // A row that has seen nothing yet has zeros for powers, not what minus infinities differ by.
      float reference = Math.max(references[row + r], -Float.MAX_VALUE);
      int end = to + r * POSITIONS;
      int sumAt = (row + r) * LANES;
      var total = FloatVector.fromArray(SPECIES, sums, sumAt).mul(keep[r]);
      for (int i = from + r * POSITIONS; i < end; i += LANES) {
        var difference = FloatVector.fromArray(SPECIES, x, i).sub(reference);
        // Comparing is cheaper than the maximum, which has rules for zeros and NaN.
        var power = difference.blend(LEAST, difference.compare(VectorOperators.LT, LEAST));
        var rounded = power.add(ROUND);
        var f = power.sub(rounded.sub(ROUND));
        var p = f.mul(C5).add(C4);
        p = p.fma(f, FloatVector.broadcast(SPECIES, C3));
        p = p.fma(f, FloatVector.broadcast(SPECIES, C2));
        p = p.fma(f, FloatVector.broadcast(SPECIES, C1));
        p = p.fma(f, FloatVector.broadcast(SPECIES, C0));
        var two =
            rounded.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats();
        var value = p.mul(f).fma(two, two);
        value.intoArray(x, i);
        total = total.add(value);
      }
      total.intoArray(sums, sumAt);
    }
  }

  /**
   * {@code x = cap tanh(x / cap) log2(e)}, whole vectors. With {@code e^(2y) - 1 = m}, which is
   * computed without a difference of near numbers, the tangent is {@code m / (m + 2)}.
   */
  static void cap(float[] x, int from, int to, float cap) {
    float inner = 2 * LOG2_E / cap;
    float outer = cap * LOG2_E;
    for (int i = from; i < to; i += LANES) {
      var s = FloatVector.fromArray(SPECIES, x, i);
      // Beyond this the tangent is 1 to the last bit.
      var power = s.mul(inner).max(-40).min(40);
      var rounded = power.add(ROUND);
      var f = power.sub(rounded.sub(ROUND));
      var p = f.mul(C5).add(C4);
      p = p.fma(f, FloatVector.broadcast(SPECIES, C3));
      p = p.fma(f, FloatVector.broadcast(SPECIES, C2));
      p = p.fma(f, FloatVector.broadcast(SPECIES, C1));
      p = p.fma(f, FloatVector.broadcast(SPECIES, C0));
      var two =
          rounded.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats();
      var m = p.mul(f).fma(two, two.sub(1));
      m.div(m.add(2)).mul(outer).intoArray(x, i);
    }
  }
}

package ai.lathe.runtime.kernel.vector;

import static ai.lathe.runtime.kernel.layout.Int8Input.BLOCK;
import static ai.lathe.runtime.kernel.vector.Width.FLOATS;
import static ai.lathe.runtime.kernel.vector.Width.INTS;
import static ai.lathe.runtime.kernel.vector.Width.LANES;
import static ai.lathe.runtime.kernel.vector.Width.ORDER;

import ai.lathe.runtime.kernel.layout.InputRule;
import ai.lathe.runtime.kernel.layout.Int8Input;
import ai.lathe.runtime.kernel.layout.PlainRounding;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * {@link InputRule}s on the vector unit; what is left of whole blocks, reordered inputs and vectors
 * of less than 8 lanes are rounded by {@link PlainRounding}, to the same bits.
 */
public final class VectorRounding implements Int8Input.Rounding {

  /** Adding it leaves no bits for a fraction; ties go to the even number. */
  private static final float MAGIC = 0x1.8p23f;

  private static final int MAGIC_BITS = Float.floatToIntBits(MAGIC);

  private static final int ABSOLUTE = 0x7FFFFFFF;
  private static final int INFINITY = 0x7F800000;

  private final PlainRounding plain;
  private final boolean vectors;

  public VectorRounding(InputRule rule) {
    plain = new PlainRounding(rule);
    vectors =
        Width.BYTES != null && rule.order() == null && rule.scales() == InputRule.Scales.BLOCKS;
  }

  @Override
  public void round(MemorySegment values, long from, int columns, Int8Input target, int token) {
    if (!vectors || columns % BLOCK != 0) {
      plain.round(values, from, columns, target, token);
      return;
    }
    var codes = target.codes();
    var scales = target.scales();
    long code = target.codeAt(token);
    long scale = target.blockAt(token) * Float.BYTES;
    for (int k = 0; k < columns; k += BLOCK, scale += Float.BYTES) {
      long at = (from + k) * Float.BYTES;
      // The bits of positive floats are in the order of their values, NaN above all.
      var most = IntVector.zero(INTS);
      for (int i = 0; i < BLOCK; i += LANES) {
        var bits = IntVector.fromMemorySegment(INTS, values, at + i * Float.BYTES, ORDER);
        most = most.max(bits.and(ABSOLUTE));
      }
      int bits = most.reduceLanes(VectorOperators.MAX);
      float largest = Float.intBitsToFloat(bits);
      boolean finite = bits < INFINITY;
      boolean zeros = !finite || largest < InputRule.LEAST;
      float factor = zeros ? 0 : InputRule.LARGEST / largest;
      int low = 0;
      int high = 0;
      for (int half = 0; half < BLOCK; half += BLOCK / 2) {
        var sum = IntVector.zero(INTS);
        for (int i = half; i < half + BLOCK / 2; i += LANES) {
          var x = FloatVector.fromMemorySegment(FLOATS, values, at + i * Float.BYTES, ORDER);
          // Zero times what is no number is none.
          var rounded = zeros ? FloatVector.broadcast(FLOATS, MAGIC) : x.mul(factor).add(MAGIC);
          // The bits of 1.5 * 2^23 + n are n more than those of 1.5 * 2^23.
          var whole = rounded.reinterpretAsInts().sub(MAGIC_BITS);
          whole
              .convertShape(VectorOperators.I2B, Width.BYTES, 0)
              .reinterpretAsBytes()
              .intoMemorySegment(codes, code + k + i, ORDER);
          sum = sum.add(whole);
        }
        low = high;
        high = sum.reduceLanes(VectorOperators.ADD);
      }
      target.setSums(token, k / BLOCK, low, high);
      float a = finite ? zeros ? 0 : largest / InputRule.LARGEST : Float.NaN;
      scales.set(ValueLayout.JAVA_FLOAT, scale, a);
    }
    target.pad(token, columns);
  }
}

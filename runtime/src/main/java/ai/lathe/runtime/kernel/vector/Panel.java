package ai.lathe.runtime.kernel.vector;

import static ai.lathe.runtime.kernel.vector.Width.INTS;
import static ai.lathe.runtime.kernel.vector.Width.ORDER;
import static ai.lathe.runtime.kernel.vector.Width.VECTOR;
import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;

import ai.lathe.runtime.kernel.layout.Layout;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/**
 * Codes of a vector of rows as float32, a column after the other: what {@link PanelProduct} reads.
 */
final class Panel {

  private Panel() {}

  /**
   * @param at of the first of {@code blocks} times 64 columns in one unit
   * @param lane the first row
   * @param out column {@code k} goes to {@code to + k * stride}
   */
  static void fill(
      Layout layout,
      MemorySegment codes,
      long at,
      int lane,
      int blocks,
      float[] out,
      int to,
      int stride) {
    for (int b = 0; b < blocks; b++) {
      long block = at + (long) b * layout.codeBytes() + 4 * lane;
      int first = to + b * Layout.COLUMNS * stride;
      switch (layout.bits()) {
        case 4 -> four(codes, block, layout.offset(), out, first, stride);
        case 6 -> six(codes, block, layout.offset(), out, first, stride);
        default -> eight(codes, block, out, first, stride);
      }
    }
  }

  private static void four(
      MemorySegment codes, long at, int offset, float[] out, int to, int stride) {
    for (int m = 0; m < 8; m++) {
      var v = IntVector.fromMemorySegment(INTS, codes, at + m * VECTOR, ORDER);
      for (int i = 0; i < 4; i++) {
        int o = to + (8 * m + i) * stride;
        ((FloatVector) v.and(15).sub(offset).convert(I2F, 0)).intoArray(out, o);
        v = v.lanewise(LSHR, 4);
        ((FloatVector) v.and(15).sub(offset).convert(I2F, 0)).intoArray(out, o + 4 * stride);
        v = v.lanewise(LSHR, 4);
      }
    }
  }

  private static void six(
      MemorySegment codes, long at, int offset, float[] out, int to, int stride) {
    for (int m = 0; m < 8; m++) {
      var v = IntVector.fromMemorySegment(INTS, codes, at + m * VECTOR, ORDER);
      // The pairs that this vector needs are now the low four bits of each byte.
      var h =
          IntVector.fromMemorySegment(INTS, codes, at + (8 + m / 2) * VECTOR, ORDER)
              .lanewise(LSHR, 4 * (m & 1));
      for (int i = 0; i < 4; i++) {
        int o = to + (8 * m + i) * stride;
        var low = v.and(15).or(h.lanewise(LSHL, 4).and(48));
        ((FloatVector) low.sub(offset).convert(I2F, 0)).intoArray(out, o);
        v = v.lanewise(LSHR, 4);
        var high = v.and(15).or(h.lanewise(LSHL, 2).and(48));
        ((FloatVector) high.sub(offset).convert(I2F, 0)).intoArray(out, o + 4 * stride);
        v = v.lanewise(LSHR, 4);
        h = h.lanewise(LSHR, 8);
      }
    }
  }

  private static void eight(MemorySegment codes, long at, float[] out, int to, int stride) {
    for (int m = 0; m < 16; m++) {
      var v = IntVector.fromMemorySegment(INTS, codes, at + m * VECTOR, ORDER);
      for (int i = 0; i < 4; i++) {
        int o = to + (4 * m + i) * stride;
        var code = v.lanewise(LSHL, 24).lanewise(ASHR, 24);
        ((FloatVector) code.convert(I2F, 0)).intoArray(out, o);
        v = v.lanewise(LSHR, 8);
      }
    }
  }
}

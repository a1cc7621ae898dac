package ai.lathe.runtime.kernel.vector;

import static ai.lathe.runtime.kernel.vector.Width.FLOATS;
import static ai.lathe.runtime.kernel.vector.Width.HALVES;
import static ai.lathe.runtime.kernel.vector.Width.INTS;
import static ai.lathe.runtime.kernel.vector.Width.LANES;
import static ai.lathe.runtime.kernel.vector.Width.ORDER;
import static ai.lathe.runtime.kernel.vector.Width.VECTOR;

import ai.lathe.runtime.kernel.layout.Layout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Scales and minima of a layout as float32. A float16's bits moved into a float's place read as
 * {@code 2^-112} times its value, subnormals included; {@code Packing} has seen to there being no
 * others than finite ones.
 */
final class GroupSides {

  static final float TO_FLOAT = 0x1p112f;
  static final int MASK = 0x8FFFE000;

  private GroupSides() {}

  /**
   * Reads the groups of {@code units} units for {@link Width#LANES} rows.
   *
   * @param at of the first unit
   * @param lane the first of the rows
   * @param scales of group {@code g}: from {@code to + g * stride}
   * @param minima likewise; not touched where there are none
   */
  static void read(
      Layout layout,
      MemorySegment codes,
      long at,
      int lane,
      int units,
      float[] scales,
      float[] minima,
      int to,
      int stride) {
    int bytes = layout.unitBytes();
    int groups = layout.groups();
    switch (layout.sides()) {
      case ROW -> {}
      case F16 ->
          halves(codes, at + layout.scalesAt(), bytes, lane, units, groups / 2, scales, to, stride);
      case F16_MIN -> {
        halves(codes, at + layout.scalesAt(), bytes, lane, units, groups / 2, scales, to, stride);
        floats(codes, at + layout.minimaAt(), bytes, lane, units, groups, minima, to, stride);
      }
      case SUPER, SUPER_MIN -> {
        products(
            codes,
            at + layout.scalesAt(),
            layout.superScalesAt() - layout.scalesAt(),
            bytes,
            lane,
            units,
            groups,
            scales,
            to,
            stride);
        if (layout.sides().minima()) {
          products(
              codes,
              at + layout.minimaAt(),
              layout.superMinimaAt() - layout.minimaAt(),
              bytes,
              lane,
              units,
              groups,
              minima,
              to,
              stride);
        }
      }
    }
  }

  /** Float16, those of two groups in a lane. */
  private static void halves(
      MemorySegment codes,
      long at,
      int unitBytes,
      int lane,
      int units,
      int pairs,
      float[] out,
      int to,
      int stride) {
    for (int p = 0; p < pairs; p++) {
      long first = at + (long) p * VECTOR + 4L * lane;
      int o = to + 2 * p * stride;
      // The long loop inside: a unit has one pair or two.
      for (int u = 0; u < units; u++, o += 2 * pairs * stride) {
        var both = IntVector.fromMemorySegment(INTS, codes, first + (long) u * unitBytes, ORDER);
        both.lanewise(VectorOperators.LSHL, 16)
            .lanewise(VectorOperators.ASHR, 3)
            .and(MASK)
            .reinterpretAsFloats()
            .mul(TO_FLOAT)
            .intoArray(out, o);
        both.lanewise(VectorOperators.ASHR, 3)
            .and(MASK)
            .reinterpretAsFloats()
            .mul(TO_FLOAT)
            .intoArray(out, o + stride);
      }
    }
  }

  private static void floats(
      MemorySegment codes,
      long at,
      int unitBytes,
      int lane,
      int units,
      int groups,
      float[] out,
      int to,
      int stride) {
    int o = to;
    for (int u = 0; u < units; u++) {
      long unit = at + (long) u * unitBytes + 4 * lane;
      for (int g = 0; g < groups; g++, o += stride) {
        FloatVector.fromMemorySegment(FLOATS, codes, unit + g * VECTOR, ORDER).intoArray(out, o);
      }
    }
  }

  /**
   * Bytes times a float16 of all groups.
   *
   * @param superAt from the bytes to the float16
   */
  private static void products(
      MemorySegment codes,
      long at,
      int superAt,
      int unitBytes,
      int lane,
      int units,
      int groups,
      float[] out,
      int to,
      int stride) {
    if (Width.BYTES == null) {
      plainProducts(codes, at, superAt, unitBytes, lane, units, groups, out, to, stride);
      return;
    }
    int o = to;
    for (int u = 0; u < units; u++) {
      long unit = at + (long) u * unitBytes + lane;
      var d =
          ((IntVector)
                  ShortVector.fromMemorySegment(HALVES, codes, unit + superAt + lane, ORDER)
                      .convertShape(VectorOperators.S2I, INTS, 0))
              .lanewise(VectorOperators.LSHL, 16)
              .lanewise(VectorOperators.ASHR, 3)
              .and(MASK)
              .reinterpretAsFloats()
              .mul(TO_FLOAT);
      for (int g = 0; g < groups; g++, o += stride) {
        var bytes = ByteVector.fromMemorySegment(Width.BYTES, codes, unit + g * Layout.ROWS, ORDER);
        ((FloatVector) bytes.convertShape(VectorOperators.B2F, FLOATS, 0)).mul(d).intoArray(out, o);
      }
    }
  }

  private static void plainProducts(
      MemorySegment codes,
      long at,
      int superAt,
      int unitBytes,
      int lane,
      int units,
      int groups,
      float[] out,
      int to,
      int stride) {
    for (int u = 0; u < units; u++) {
      long unit = at + (long) u * unitBytes + lane;
      for (int r = 0; r < LANES; r++) {
        short half = codes.get(ValueLayout.JAVA_SHORT, unit + superAt + lane + 2 * r);
        float d = Float.float16ToFloat(half);
        for (int g = 0; g < groups; g++) {
          byte scale = codes.get(ValueLayout.JAVA_BYTE, unit + g * Layout.ROWS + r);
          out[to + (u * groups + g) * stride + r] = d * scale;
        }
      }
    }
  }
}

package ai.lathe.runtime.kernel.vector;

import static ai.lathe.runtime.kernel.vector.Width.FLOATS;
import static ai.lathe.runtime.kernel.vector.Width.INTS;
import static ai.lathe.runtime.kernel.vector.Width.LANES;
import static ai.lathe.runtime.kernel.vector.Width.ORDER;

import ai.lathe.runtime.kernel.layout.Layout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/** What follows when the sums of all groups of a stripe are known: scales, minima, factors. */
final class GroupProduct {

  private GroupProduct() {}

  /**
   * {@code y = fma(I, s * a, y)} for each group, and with minima {@code y = fma(-m, a * S, y)}.
   *
   * @param sums {@code I}, {@code [groups][16 rows]}
   * @param scales likewise
   * @param minima likewise, or null
   * @param from where the stripe begins in these three
   * @param shift {@code 1 << shift} groups share an input scale
   * @param a input scales from {@code aAt}
   * @param products {@code a * S} of each group from {@code productAt}
   * @param y {@code [16 rows]} from {@code yAt}
   */
  static void add(
      int groups,
      float[] sums,
      float[] scales,
      float[] minima,
      int from,
      int shift,
      float[] a,
      int aAt,
      float[] products,
      int productAt,
      float[] y,
      int yAt) {
    for (int lane = 0; lane < Layout.ROWS; lane += LANES) {
      var sum = FloatVector.fromArray(FLOATS, y, yAt + lane);
      for (int g = 0; g < groups; g++) {
        int at = from + g * Layout.ROWS + lane;
        var s = FloatVector.fromArray(FLOATS, scales, at).mul(a[aAt + (g >> shift)]);
        sum = FloatVector.fromArray(FLOATS, sums, at).fma(s, sum);
        if (minima != null) {
          var product = FloatVector.broadcast(FLOATS, products[productAt + g]);
          sum = FloatVector.fromArray(FLOATS, minima, at).neg().fma(product, sum);
        }
      }
      sum.intoArray(y, yAt + lane);
    }
  }

  /** {@code total += I} for {@code times} times {@code width} whole numbers from {@code sumAt}. */
  static void total(int times, int width, float[] sums, int sumAt, int[] totals, int at) {
    for (int lane = 0; lane < width; lane += LANES) {
      var total = IntVector.fromArray(INTS, totals, at + lane);
      for (int i = 0; i < times; i++) {
        var sum = FloatVector.fromArray(FLOATS, sums, sumAt + i * width + lane);
        total = total.add(sum.convert(VectorOperators.F2I, 0));
      }
      total.intoArray(totals, at + lane);
    }
  }

  /**
   * {@code out = y * factor} for rows {@code [row, end)}.
   *
   * @param outAt the element of {@code row}
   */
  static void finish(
      float[] y, int yAt, MemorySegment factors, int row, int end, MemorySegment out, long outAt) {
    int r = row;
    for (; r + LANES <= end; r += LANES) {
      var factor = FloatVector.fromMemorySegment(FLOATS, factors, 4L * r, ORDER);
      FloatVector.fromArray(FLOATS, y, yAt + r - row)
          .mul(factor)
          .intoMemorySegment(out, 4 * (outAt + r - row), ORDER);
    }
    for (; r < end; r++) {
      float factor = factors.getAtIndex(ValueLayout.JAVA_FLOAT, r);
      out.setAtIndex(ValueLayout.JAVA_FLOAT, outAt + r - row, y[yAt + r - row] * factor);
    }
  }

  /** {@code out = (float) total * (a * factor)}. */
  static void finish(
      int[] totals,
      int at,
      float a,
      MemorySegment factors,
      int row,
      int end,
      MemorySegment out,
      long outAt) {
    int r = row;
    for (; r + LANES <= end; r += LANES) {
      var factor = FloatVector.fromMemorySegment(FLOATS, factors, 4L * r, ORDER).mul(a);
      var total = IntVector.fromArray(INTS, totals, at + r - row);
      ((FloatVector) total.convert(VectorOperators.I2F, 0))
          .mul(factor)
          .intoMemorySegment(out, 4 * (outAt + r - row), ORDER);
    }
    for (; r < end; r++) {
      float factor = a * factors.getAtIndex(ValueLayout.JAVA_FLOAT, r);
      out.setAtIndex(ValueLayout.JAVA_FLOAT, outAt + r - row, totals[at + r - row] * factor);
    }
  }
}

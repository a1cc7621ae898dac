package ai.lathe.runtime.kernel.vector;

import static ai.lathe.runtime.kernel.vector.Width.FLOATS;
import static ai.lathe.runtime.kernel.vector.Width.LANES;

import jdk.incubator.vector.FloatVector;

/**
 * Tiles of 6 tokens by two vectors of rows, as in a product of float32 matrices: sums of a group
 * are whole numbers below 2^24, so float32 is exact, and its multiply-add is as fast as anything
 * that the Vector API has for integers. A panel of codes serves all tokens.
 */
final class PanelProduct {

  /** Of a tile. */
  static final int TOKENS = 6;

  /** Of a tile. */
  static final int ROWS = 2 * LANES;

  /** Columns whose products of bytes sum up to no more than 2^24, where float32 stays exact. */
  static final int EXACT = 1024;

  private PanelProduct() {}

  /**
   * {@code y = fma(I, s * a, y)} for each group in turn, and with minima {@code y = fma(-m, a * S,
   * y)} after it.
   *
   * @param panel codes {@code [columns][ROWS]}
   * @param scales {@code [groups][ROWS]}
   * @param minima likewise, or null
   * @param x input codes {@code [columns][TOKENS]} from {@code xAt}
   * @param a input scales of blocks of 32, {@code [blocks][TOKENS]} from {@code aAt}
   * @param sums {@code a * S} of each group, {@code [groups][TOKENS]} from {@code sumAt}
   * @param y {@code [TOKENS][ROWS]} from {@code yAt}
   */
  static void add(
      int groups,
      int group,
      float[] panel,
      float[] scales,
      float[] minima,
      float[] x,
      int xAt,
      float[] a,
      int aAt,
      float[] sums,
      int sumAt,
      float[] y,
      int yAt) {
    var y0 = FloatVector.fromArray(FLOATS, y, yAt);
    var z0 = FloatVector.fromArray(FLOATS, y, yAt + LANES);
    var y1 = FloatVector.fromArray(FLOATS, y, yAt + ROWS);
    var z1 = FloatVector.fromArray(FLOATS, y, yAt + ROWS + LANES);
    var y2 = FloatVector.fromArray(FLOATS, y, yAt + 2 * ROWS);
    var z2 = FloatVector.fromArray(FLOATS, y, yAt + 2 * ROWS + LANES);
    var y3 = FloatVector.fromArray(FLOATS, y, yAt + 3 * ROWS);
    var z3 = FloatVector.fromArray(FLOATS, y, yAt + 3 * ROWS + LANES);
    var y4 = FloatVector.fromArray(FLOATS, y, yAt + 4 * ROWS);
    var z4 = FloatVector.fromArray(FLOATS, y, yAt + 4 * ROWS + LANES);
    var y5 = FloatVector.fromArray(FLOATS, y, yAt + 5 * ROWS);
    var z5 = FloatVector.fromArray(FLOATS, y, yAt + 5 * ROWS + LANES);
    for (int g = 0; g < groups; g++) {
      var p0 = FloatVector.zero(FLOATS);
      var q0 = FloatVector.zero(FLOATS);
      var p1 = FloatVector.zero(FLOATS);
      var q1 = FloatVector.zero(FLOATS);
      var p2 = FloatVector.zero(FLOATS);
      var q2 = FloatVector.zero(FLOATS);
      var p3 = FloatVector.zero(FLOATS);
      var q3 = FloatVector.zero(FLOATS);
      var p4 = FloatVector.zero(FLOATS);
      var q4 = FloatVector.zero(FLOATS);
      var p5 = FloatVector.zero(FLOATS);
      var q5 = FloatVector.zero(FLOATS);
      int first = g * group;
      for (int k = first; k < first + group; k++) {
        var v = FloatVector.fromArray(FLOATS, panel, k * ROWS);
        var w = FloatVector.fromArray(FLOATS, panel, k * ROWS + LANES);
        var x0 = FloatVector.broadcast(FLOATS, x[xAt + k * TOKENS]);
        p0 = x0.fma(v, p0);
        q0 = x0.fma(w, q0);
        var x1 = FloatVector.broadcast(FLOATS, x[xAt + k * TOKENS + 1]);
        p1 = x1.fma(v, p1);
        q1 = x1.fma(w, q1);
        var x2 = FloatVector.broadcast(FLOATS, x[xAt + k * TOKENS + 2]);
        p2 = x2.fma(v, p2);
        q2 = x2.fma(w, q2);
        var x3 = FloatVector.broadcast(FLOATS, x[xAt + k * TOKENS + 3]);
        p3 = x3.fma(v, p3);
        q3 = x3.fma(w, q3);
        var x4 = FloatVector.broadcast(FLOATS, x[xAt + k * TOKENS + 4]);
        p4 = x4.fma(v, p4);
        q4 = x4.fma(w, q4);
        var x5 = FloatVector.broadcast(FLOATS, x[xAt + k * TOKENS + 5]);
        p5 = x5.fma(v, p5);
        q5 = x5.fma(w, q5);
      }
      var s = FloatVector.fromArray(FLOATS, scales, g * ROWS);
      var t = FloatVector.fromArray(FLOATS, scales, g * ROWS + LANES);
      int block = aAt + first / 32 * TOKENS;
      y0 = p0.fma(s.mul(a[block]), y0);
      z0 = q0.fma(t.mul(a[block]), z0);
      y1 = p1.fma(s.mul(a[block + 1]), y1);
      z1 = q1.fma(t.mul(a[block + 1]), z1);
      y2 = p2.fma(s.mul(a[block + 2]), y2);
      z2 = q2.fma(t.mul(a[block + 2]), z2);
      y3 = p3.fma(s.mul(a[block + 3]), y3);
      z3 = q3.fma(t.mul(a[block + 3]), z3);
      y4 = p4.fma(s.mul(a[block + 4]), y4);
      z4 = q4.fma(t.mul(a[block + 4]), z4);
      y5 = p5.fma(s.mul(a[block + 5]), y5);
      z5 = q5.fma(t.mul(a[block + 5]), z5);
      if (minima != null) {
        var m = FloatVector.fromArray(FLOATS, minima, g * ROWS).neg();
        var n = FloatVector.fromArray(FLOATS, minima, g * ROWS + LANES).neg();
        int sum = sumAt + g * TOKENS;
        var f0 = FloatVector.broadcast(FLOATS, sums[sum]);
        y0 = m.fma(f0, y0);
        z0 = n.fma(f0, z0);
        var f1 = FloatVector.broadcast(FLOATS, sums[sum + 1]);
        y1 = m.fma(f1, y1);
        z1 = n.fma(f1, z1);
        var f2 = FloatVector.broadcast(FLOATS, sums[sum + 2]);
        y2 = m.fma(f2, y2);
        z2 = n.fma(f2, z2);
        var f3 = FloatVector.broadcast(FLOATS, sums[sum + 3]);
        y3 = m.fma(f3, y3);
        z3 = n.fma(f3, z3);
        var f4 = FloatVector.broadcast(FLOATS, sums[sum + 4]);
        y4 = m.fma(f4, y4);
        z4 = n.fma(f4, z4);
        var f5 = FloatVector.broadcast(FLOATS, sums[sum + 5]);
        y5 = m.fma(f5, y5);
        z5 = n.fma(f5, z5);
      }
    }
    y0.intoArray(y, yAt);
    z0.intoArray(y, yAt + LANES);
    y1.intoArray(y, yAt + ROWS);
    z1.intoArray(y, yAt + ROWS + LANES);
    y2.intoArray(y, yAt + 2 * ROWS);
    z2.intoArray(y, yAt + 2 * ROWS + LANES);
    y3.intoArray(y, yAt + 3 * ROWS);
    z3.intoArray(y, yAt + 3 * ROWS + LANES);
    y4.intoArray(y, yAt + 4 * ROWS);
    z4.intoArray(y, yAt + 4 * ROWS + LANES);
    y5.intoArray(y, yAt + 5 * ROWS);
    z5.intoArray(y, yAt + 5 * ROWS + LANES);
  }
}

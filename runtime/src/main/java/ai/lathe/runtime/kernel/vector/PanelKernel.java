package ai.lathe.runtime.kernel.vector;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Eight tokens times a panel of two vectors of rows: 16 accumulators over all columns, which keep
 * two multiply-add units of AVX-512 busy. Machines with fewer than 32 vector registers spill some.
 */
final class PanelKernel {

  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = SPECIES.length();

  static final int TOKENS = 8;
  static final int ROWS = 2 * LANES;

  private PanelKernel() {}

  /**
   * @param panel {@code [columns][ROWS]} from {@code panelAt}
   * @param x {@code [columns][TOKENS]} from {@code xAt}
   * @param out {@code [TOKENS][ROWS]}
   */
  static void multiply(int columns, float[] panel, int panelAt, float[] x, int xAt, float[] out) {
    var p0 = FloatVector.zero(SPECIES);
    var q0 = FloatVector.zero(SPECIES);
    var p1 = FloatVector.zero(SPECIES);
    var q1 = FloatVector.zero(SPECIES);
    var p2 = FloatVector.zero(SPECIES);
    var q2 = FloatVector.zero(SPECIES);
    var p3 = FloatVector.zero(SPECIES);
    var q3 = FloatVector.zero(SPECIES);
    var p4 = FloatVector.zero(SPECIES);
    var q4 = FloatVector.zero(SPECIES);
    var p5 = FloatVector.zero(SPECIES);
    var q5 = FloatVector.zero(SPECIES);
    var p6 = FloatVector.zero(SPECIES);
    var q6 = FloatVector.zero(SPECIES);
    var p7 = FloatVector.zero(SPECIES);
    var q7 = FloatVector.zero(SPECIES);
    for (int k = 0; k < columns; k++) {
      int xk = xAt + k * TOKENS;
      var p = FloatVector.fromArray(SPECIES, panel, panelAt + k * ROWS);
      var q = FloatVector.fromArray(SPECIES, panel, panelAt + k * ROWS + LANES);
      var x0 = FloatVector.broadcast(SPECIES, x[xk]);
      p0 = p.fma(x0, p0);
      q0 = q.fma(x0, q0);
      var x1 = FloatVector.broadcast(SPECIES, x[xk + 1]);
      p1 = p.fma(x1, p1);
      q1 = q.fma(x1, q1);
      var x2 = FloatVector.broadcast(SPECIES, x[xk + 2]);
      p2 = p.fma(x2, p2);
      q2 = q.fma(x2, q2);
      var x3 = FloatVector.broadcast(SPECIES, x[xk + 3]);
      p3 = p.fma(x3, p3);
      q3 = q.fma(x3, q3);
      var x4 = FloatVector.broadcast(SPECIES, x[xk + 4]);
      p4 = p.fma(x4, p4);
      q4 = q.fma(x4, q4);
      var x5 = FloatVector.broadcast(SPECIES, x[xk + 5]);
      p5 = p.fma(x5, p5);
      q5 = q.fma(x5, q5);
      var x6 = FloatVector.broadcast(SPECIES, x[xk + 6]);
      p6 = p.fma(x6, p6);
      q6 = q.fma(x6, q6);
      var x7 = FloatVector.broadcast(SPECIES, x[xk + 7]);
      p7 = p.fma(x7, p7);
      q7 = q.fma(x7, q7);
    }
    p0.intoArray(out, 0);
    q0.intoArray(out, LANES);
    p1.intoArray(out, ROWS);
    q1.intoArray(out, ROWS + LANES);
    p2.intoArray(out, 2 * ROWS);
    q2.intoArray(out, 2 * ROWS + LANES);
    p3.intoArray(out, 3 * ROWS);
    q3.intoArray(out, 3 * ROWS + LANES);
    p4.intoArray(out, 4 * ROWS);
    q4.intoArray(out, 4 * ROWS + LANES);
    p5.intoArray(out, 5 * ROWS);
    q5.intoArray(out, 5 * ROWS + LANES);
    p6.intoArray(out, 6 * ROWS);
    q6.intoArray(out, 6 * ROWS + LANES);
    p7.intoArray(out, 7 * ROWS);
    q7.intoArray(out, 7 * ROWS + LANES);
  }
}

package ai.lathe.runtime.kernel.vector;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Products of a panel, two vectors wide, with eight numbers a column that are broadcast: 16
 * accumulators over all columns, which keep two multiply-add units of AVX-512 busy. Machines with
 * fewer than 32 vector registers spill some.
 */
final class PanelKernel {

  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = SPECIES.length();

  /** Numbers that are broadcast. */
  static final int BROADCAST = 8;

  /** What a panel is wide. */
  static final int WIDTH = 2 * LANES;

  private PanelKernel() {}

  /**
   * @param panel {@code [columns][WIDTH]} from {@code panelAt}
   * @param x {@code [columns][BROADCAST]} from {@code xAt}
   * @param out {@code [BROADCAST][WIDTH]}
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
      var p = FloatVector.fromArray(SPECIES, panel, panelAt + k * WIDTH);
      var q = FloatVector.fromArray(SPECIES, panel, panelAt + k * WIDTH + LANES);
      var x0 = FloatVector.broadcast(SPECIES, x[xAt + k * BROADCAST]);
      p0 = p.fma(x0, p0);
      q0 = q.fma(x0, q0);
      var x1 = FloatVector.broadcast(SPECIES, x[xAt + k * BROADCAST + 1]);
      p1 = p.fma(x1, p1);
      q1 = q.fma(x1, q1);
      var x2 = FloatVector.broadcast(SPECIES, x[xAt + k * BROADCAST + 2]);
      p2 = p.fma(x2, p2);
      q2 = q.fma(x2, q2);
      var x3 = FloatVector.broadcast(SPECIES, x[xAt + k * BROADCAST + 3]);
      p3 = p.fma(x3, p3);
      q3 = q.fma(x3, q3);
      var x4 = FloatVector.broadcast(SPECIES, x[xAt + k * BROADCAST + 4]);
      p4 = p.fma(x4, p4);
      q4 = q.fma(x4, q4);
      var x5 = FloatVector.broadcast(SPECIES, x[xAt + k * BROADCAST + 5]);
      p5 = p.fma(x5, p5);
      q5 = q.fma(x5, q5);
      var x6 = FloatVector.broadcast(SPECIES, x[xAt + k * BROADCAST + 6]);
      p6 = p.fma(x6, p6);
      q6 = q.fma(x6, q6);
      var x7 = FloatVector.broadcast(SPECIES, x[xAt + k * BROADCAST + 7]);
      p7 = p.fma(x7, p7);
      q7 = q.fma(x7, q7);
    }
    p0.intoArray(out, 0);
    q0.intoArray(out, LANES);
    p1.intoArray(out, WIDTH);
    q1.intoArray(out, WIDTH + LANES);
    p2.intoArray(out, 2 * WIDTH);
    q2.intoArray(out, 2 * WIDTH + LANES);
    p3.intoArray(out, 3 * WIDTH);
    q3.intoArray(out, 3 * WIDTH + LANES);
    p4.intoArray(out, 4 * WIDTH);
    q4.intoArray(out, 4 * WIDTH + LANES);
    p5.intoArray(out, 5 * WIDTH);
    q5.intoArray(out, 5 * WIDTH + LANES);
    p6.intoArray(out, 6 * WIDTH);
    q6.intoArray(out, 6 * WIDTH + LANES);
    p7.intoArray(out, 7 * WIDTH);
    q7.intoArray(out, 7 * WIDTH + LANES);
  }

  /**
   * As {@link #multiply}, what is broadcast lying in rows.
   *
   * @param rows {@code [BROADCAST][columns]}
   */
  static void multiplyRows(int columns, float[] panel, int panelAt, float[] rows, float[] out) {
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
    int r1 = columns;
    int r2 = 2 * columns;
    int r3 = 3 * columns;
    int r4 = 4 * columns;
    int r5 = 5 * columns;
    int r6 = 6 * columns;
    int r7 = 7 * columns;
    for (int k = 0; k < columns; k++) {
      var p = FloatVector.fromArray(SPECIES, panel, panelAt + k * WIDTH);
      var q = FloatVector.fromArray(SPECIES, panel, panelAt + k * WIDTH + LANES);
      var x0 = FloatVector.broadcast(SPECIES, rows[k]);
      p0 = p.fma(x0, p0);
      q0 = q.fma(x0, q0);
      var x1 = FloatVector.broadcast(SPECIES, rows[r1 + k]);
      p1 = p.fma(x1, p1);
      q1 = q.fma(x1, q1);
      var x2 = FloatVector.broadcast(SPECIES, rows[r2 + k]);
      p2 = p.fma(x2, p2);
      q2 = q.fma(x2, q2);
      var x3 = FloatVector.broadcast(SPECIES, rows[r3 + k]);
      p3 = p.fma(x3, p3);
      q3 = q.fma(x3, q3);
      var x4 = FloatVector.broadcast(SPECIES, rows[r4 + k]);
      p4 = p.fma(x4, p4);
      q4 = q.fma(x4, q4);
      var x5 = FloatVector.broadcast(SPECIES, rows[r5 + k]);
      p5 = p.fma(x5, p5);
      q5 = q.fma(x5, q5);
      var x6 = FloatVector.broadcast(SPECIES, rows[r6 + k]);
      p6 = p.fma(x6, p6);
      q6 = q.fma(x6, q6);
      var x7 = FloatVector.broadcast(SPECIES, rows[r7 + k]);
      p7 = p.fma(x7, p7);
      q7 = q.fma(x7, q7);
    }
    p0.intoArray(out, 0);
    q0.intoArray(out, LANES);
    p1.intoArray(out, WIDTH);
    q1.intoArray(out, WIDTH + LANES);
    p2.intoArray(out, 2 * WIDTH);
    q2.intoArray(out, 2 * WIDTH + LANES);
    p3.intoArray(out, 3 * WIDTH);
    q3.intoArray(out, 3 * WIDTH + LANES);
    p4.intoArray(out, 4 * WIDTH);
    q4.intoArray(out, 4 * WIDTH + LANES);
    p5.intoArray(out, 5 * WIDTH);
    q5.intoArray(out, 5 * WIDTH + LANES);
    p6.intoArray(out, 6 * WIDTH);
    q6.intoArray(out, 6 * WIDTH + LANES);
    p7.intoArray(out, 7 * WIDTH);
    q7.intoArray(out, 7 * WIDTH + LANES);
  }

  /** As {@link #multiplyRows}, panel and result being one vector wide. */
  static void multiplyRowsNarrow(
      int columns, float[] panel, int panelAt, float[] rows, float[] out) {
    var p0 = FloatVector.zero(SPECIES);
    var p1 = FloatVector.zero(SPECIES);
    var p2 = FloatVector.zero(SPECIES);
    var p3 = FloatVector.zero(SPECIES);
    var p4 = FloatVector.zero(SPECIES);
    var p5 = FloatVector.zero(SPECIES);
    var p6 = FloatVector.zero(SPECIES);
    var p7 = FloatVector.zero(SPECIES);
    int r1 = columns;
    int r2 = 2 * columns;
    int r3 = 3 * columns;
    int r4 = 4 * columns;
    int r5 = 5 * columns;
    int r6 = 6 * columns;
    int r7 = 7 * columns;
    for (int k = 0; k < columns; k++) {
      var p = FloatVector.fromArray(SPECIES, panel, panelAt + k * LANES);
      var x0 = FloatVector.broadcast(SPECIES, rows[k]);
      p0 = p.fma(x0, p0);
      var x1 = FloatVector.broadcast(SPECIES, rows[r1 + k]);
      p1 = p.fma(x1, p1);
      var x2 = FloatVector.broadcast(SPECIES, rows[r2 + k]);
      p2 = p.fma(x2, p2);
      var x3 = FloatVector.broadcast(SPECIES, rows[r3 + k]);
      p3 = p.fma(x3, p3);
      var x4 = FloatVector.broadcast(SPECIES, rows[r4 + k]);
      p4 = p.fma(x4, p4);
      var x5 = FloatVector.broadcast(SPECIES, rows[r5 + k]);
      p5 = p.fma(x5, p5);
      var x6 = FloatVector.broadcast(SPECIES, rows[r6 + k]);
      p6 = p.fma(x6, p6);
      var x7 = FloatVector.broadcast(SPECIES, rows[r7 + k]);
      p7 = p.fma(x7, p7);
    }
    p0.intoArray(out, 0);
    p1.intoArray(out, LANES);
    p2.intoArray(out, 2 * LANES);
    p3.intoArray(out, 3 * LANES);
    p4.intoArray(out, 4 * LANES);
    p5.intoArray(out, 5 * LANES);
    p6.intoArray(out, 6 * LANES);
    p7.intoArray(out, 7 * LANES);
  }
}

package ai.lathe.runtime.kernel.vector;

import static java.nio.ByteOrder.LITTLE_ENDIAN;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.ZERO_EXTEND_S2I;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link PanelKernel}'s product with panels of which only some columns are there, and products with
 * one token straight from memory.
 */
final class SparsePanelKernel {

  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Integer> WORDS = IntVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Short> HALVES =
      VectorSpecies.of(short.class, VectorShape.forBitSize(SPECIES.vectorBitSize() / 2));
  private static final int LANES = SPECIES.length();
  private static final int WIDTH = PanelKernel.WIDTH;
  private static final int BROADCAST = PanelKernel.BROADCAST;

  private SparsePanelKernel() {}

  /**
   * @param index the columns that are there, {@code [from, to)} of it
   * @param panel {@code [to - from][WIDTH]} from {@code panelAt}
   * @param x {@code [columns][BROADCAST]} from {@code xAt}
   * @param out {@code [BROADCAST][WIDTH]}
   */
  static void multiply(
      int[] index, int from, int to, float[] panel, int panelAt, float[] x, int xAt, float[] out) {
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
    for (int i = from; i < to; i++) {
      int w = panelAt + (i - from) * WIDTH;
      int k = xAt + index[i] * BROADCAST;
      var p = FloatVector.fromArray(SPECIES, panel, w);
      var q = FloatVector.fromArray(SPECIES, panel, w + LANES);
      var x0 = FloatVector.broadcast(SPECIES, x[k]);
      p0 = p.fma(x0, p0);
      q0 = q.fma(x0, q0);
      var x1 = FloatVector.broadcast(SPECIES, x[k + 1]);
      p1 = p.fma(x1, p1);
      q1 = q.fma(x1, q1);
      var x2 = FloatVector.broadcast(SPECIES, x[k + 2]);
      p2 = p.fma(x2, p2);
      q2 = q.fma(x2, q2);
      var x3 = FloatVector.broadcast(SPECIES, x[k + 3]);
      p3 = p.fma(x3, p3);
      q3 = q.fma(x3, q3);
      var x4 = FloatVector.broadcast(SPECIES, x[k + 4]);
      p4 = p.fma(x4, p4);
      q4 = q.fma(x4, q4);
      var x5 = FloatVector.broadcast(SPECIES, x[k + 5]);
      p5 = p.fma(x5, p5);
      q5 = q.fma(x5, q5);
      var x6 = FloatVector.broadcast(SPECIES, x[k + 6]);
      p6 = p.fma(x6, p6);
      q6 = q.fma(x6, q6);
      var x7 = FloatVector.broadcast(SPECIES, x[k + 7]);
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
   * One token.
   *
   * @param values float32 {@code [to - from][WIDTH]} from byte {@code at}
   * @param out {@code [WIDTH]}
   */
  static void floats(
      int[] index, int from, int to, MemorySegment values, long at, float[] x, float[] out) {
    var p = FloatVector.zero(SPECIES);
    var q = FloatVector.zero(SPECIES);
    for (int i = from; i < to; i++) {
      long w = at + (long) (i - from) * WIDTH * Float.BYTES;
      var v = FloatVector.broadcast(SPECIES, x[index[i]]);
      p = FloatVector.fromMemorySegment(SPECIES, values, w, LITTLE_ENDIAN).fma(v, p);
      q =
          FloatVector.fromMemorySegment(
                  SPECIES, values, w + (long) LANES * Float.BYTES, LITTLE_ENDIAN)
              .fma(v, q);
    }
    p.intoArray(out, 0);
    q.intoArray(out, LANES);
  }

  /** As {@link #floats}, of bfloat16. */
  static void halves(
      int[] index, int from, int to, MemorySegment values, long at, float[] x, float[] out) {
    var p = FloatVector.zero(SPECIES);
    var q = FloatVector.zero(SPECIES);
    for (int i = from; i < to; i++) {
      long w = at + (long) (i - from) * WIDTH * Short.BYTES;
      var v = FloatVector.broadcast(SPECIES, x[index[i]]);
      p =
          ShortVector.fromMemorySegment(HALVES, values, w, LITTLE_ENDIAN)
              .convertShape(ZERO_EXTEND_S2I, WORDS, 0)
              .reinterpretAsInts()
              .lanewise(LSHL, 16)
              .reinterpretAsFloats()
              .fma(v, p);
      q =
          ShortVector.fromMemorySegment(
                  HALVES, values, w + (long) LANES * Short.BYTES, LITTLE_ENDIAN)
              .convertShape(ZERO_EXTEND_S2I, WORDS, 0)
              .reinterpretAsInts()
              .lanewise(LSHL, 16)
              .reinterpretAsFloats()
              .fma(v, q);
    }
    p.intoArray(out, 0);
    q.intoArray(out, LANES);
  }
}

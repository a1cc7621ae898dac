package ai.lathe.runtime.kernel.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.nio.ByteOrder.LITTLE_ENDIAN;
import static jdk.incubator.vector.VectorOperators.ADD;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** Four rows times four tokens, both with consecutive columns. */
final class DotKernel {

  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = SPECIES.length();

  static final int ROWS = 4;
  static final int TOKENS = 4;

  private DotKernel() {}

  /**
   * @param rows {@code [ROWS][columns]}
   * @param x {@code [.., columns]} float32
   * @param token the first
   * @param tokens 1 to {@link #TOKENS}; where fewer, the last is repeated
   * @param out {@code [TOKENS][ROWS]}
   */
  static void multiply(
      int columns, float[] rows, MemorySegment x, int token, int tokens, float[] out) {
    long row = (long) columns * Float.BYTES;
    long x0 = token * row;
    long x1 = (token + Math.min(1, tokens - 1)) * row;
    long x2 = (token + Math.min(2, tokens - 1)) * row;
    long x3 = (token + tokens - 1) * row;
    var a0 = FloatVector.zero(SPECIES);
    var b0 = FloatVector.zero(SPECIES);
    var c0 = FloatVector.zero(SPECIES);
    var d0 = FloatVector.zero(SPECIES);
    var a1 = FloatVector.zero(SPECIES);
    var b1 = FloatVector.zero(SPECIES);
    var c1 = FloatVector.zero(SPECIES);
    var d1 = FloatVector.zero(SPECIES);
    var a2 = FloatVector.zero(SPECIES);
    var b2 = FloatVector.zero(SPECIES);
    var c2 = FloatVector.zero(SPECIES);
    var d2 = FloatVector.zero(SPECIES);
    var a3 = FloatVector.zero(SPECIES);
    var b3 = FloatVector.zero(SPECIES);
    var c3 = FloatVector.zero(SPECIES);
    var d3 = FloatVector.zero(SPECIES);
    int end = SPECIES.loopBound(columns);
    for (int k = 0; k < end; k += LANES) {
      long at = (long) k * Float.BYTES;
      var a = FloatVector.fromArray(SPECIES, rows, k);
      var b = FloatVector.fromArray(SPECIES, rows, columns + k);
      var c = FloatVector.fromArray(SPECIES, rows, 2 * columns + k);
      var d = FloatVector.fromArray(SPECIES, rows, 3 * columns + k);
      var v0 = FloatVector.fromMemorySegment(SPECIES, x, x0 + at, LITTLE_ENDIAN);
      a0 = a.fma(v0, a0);
      b0 = b.fma(v0, b0);
      c0 = c.fma(v0, c0);
      d0 = d.fma(v0, d0);
      var v1 = FloatVector.fromMemorySegment(SPECIES, x, x1 + at, LITTLE_ENDIAN);
      a1 = a.fma(v1, a1);
      b1 = b.fma(v1, b1);
      c1 = c.fma(v1, c1);
      d1 = d.fma(v1, d1);
      var v2 = FloatVector.fromMemorySegment(SPECIES, x, x2 + at, LITTLE_ENDIAN);
      a2 = a.fma(v2, a2);
      b2 = b.fma(v2, b2);
      c2 = c.fma(v2, c2);
      d2 = d.fma(v2, d2);
      var v3 = FloatVector.fromMemorySegment(SPECIES, x, x3 + at, LITTLE_ENDIAN);
      a3 = a.fma(v3, a3);
      b3 = b.fma(v3, b3);
      c3 = c.fma(v3, c3);
      d3 = d.fma(v3, d3);
    }
    out[0] = a0.reduceLanes(ADD);
    out[1] = b0.reduceLanes(ADD);
    out[2] = c0.reduceLanes(ADD);
    out[3] = d0.reduceLanes(ADD);
    out[4] = a1.reduceLanes(ADD);
    out[5] = b1.reduceLanes(ADD);
    out[6] = c1.reduceLanes(ADD);
    out[7] = d1.reduceLanes(ADD);
    out[8] = a2.reduceLanes(ADD);
    out[9] = b2.reduceLanes(ADD);
    out[10] = c2.reduceLanes(ADD);
    out[11] = d2.reduceLanes(ADD);
    out[12] = a3.reduceLanes(ADD);
    out[13] = b3.reduceLanes(ADD);
    out[14] = c3.reduceLanes(ADD);
    out[15] = d3.reduceLanes(ADD);
    if (end < columns) {
      for (int t = 0; t < tokens; t++) {
        for (int r = 0; r < ROWS; r++) {
          float sum = out[t * ROWS + r];
          for (int k = end; k < columns; k++) {
            float value = x.get(JAVA_FLOAT_UNALIGNED, (token + t) * row + (long) k * Float.BYTES);
            sum = Math.fma(rows[r * columns + k], value, sum);
          }
          out[t * ROWS + r] = sum;
        }
      }
    }
  }
}

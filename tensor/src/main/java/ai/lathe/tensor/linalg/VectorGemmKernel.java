package ai.lathe.tensor.linalg;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Tiles of 6 rows by two vectors of whatever width the processor prefers: 12 accumulators, two
 * vectors of {@code b} and one broadcast of {@code a} fit the 16 registers of AVX2 and are enough
 * to keep two multiply-add units of AVX-512 busy. Each method holds all its vector code itself:
 * what is spread over helpers the JIT compiler may stop inlining, and then it allocates every
 * vector.
 */
final class VectorGemmKernel implements GemmKernel {

  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = SPECIES.length();
  private static final int ROWS = 6;
  private static final int COLUMNS = 2 * LANES;

  @Override
  public int rows() {
    return ROWS;
  }

  @Override
  public int columns() {
    return COLUMNS;
  }

  @Override
  public String label() {
    return "vector, " + SPECIES.vectorBitSize() + " bits, tiles of " + ROWS + " x " + COLUMNS;
  }

  @Override
  public void multiply(
      int depth, float[] a, int aAt, float[] b, int bAt, float[] c, int cAt, int stride) {
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
    for (int k = 0; k < depth; k++) {
      var b0 = FloatVector.fromArray(SPECIES, b, bAt + k * COLUMNS);
      var b1 = FloatVector.fromArray(SPECIES, b, bAt + k * COLUMNS + LANES);
      var a0 = FloatVector.broadcast(SPECIES, a[aAt + k * ROWS + 0]);
      p0 = a0.fma(b0, p0);
      q0 = a0.fma(b1, q0);
      var a1 = FloatVector.broadcast(SPECIES, a[aAt + k * ROWS + 1]);
      p1 = a1.fma(b0, p1);
      q1 = a1.fma(b1, q1);
      var a2 = FloatVector.broadcast(SPECIES, a[aAt + k * ROWS + 2]);
      p2 = a2.fma(b0, p2);
      q2 = a2.fma(b1, q2);
      var a3 = FloatVector.broadcast(SPECIES, a[aAt + k * ROWS + 3]);
      p3 = a3.fma(b0, p3);
      q3 = a3.fma(b1, q3);
      var a4 = FloatVector.broadcast(SPECIES, a[aAt + k * ROWS + 4]);
      p4 = a4.fma(b0, p4);
      q4 = a4.fma(b1, q4);
      var a5 = FloatVector.broadcast(SPECIES, a[aAt + k * ROWS + 5]);
      p5 = a5.fma(b0, p5);
      q5 = a5.fma(b1, q5);
    }
    int at = cAt;
    p0.add(FloatVector.fromArray(SPECIES, c, at)).intoArray(c, at);
    q0.add(FloatVector.fromArray(SPECIES, c, at + LANES)).intoArray(c, at + LANES);
    at += stride;
    p1.add(FloatVector.fromArray(SPECIES, c, at)).intoArray(c, at);
    q1.add(FloatVector.fromArray(SPECIES, c, at + LANES)).intoArray(c, at + LANES);
    at += stride;
    p2.add(FloatVector.fromArray(SPECIES, c, at)).intoArray(c, at);
    q2.add(FloatVector.fromArray(SPECIES, c, at + LANES)).intoArray(c, at + LANES);
    at += stride;
    p3.add(FloatVector.fromArray(SPECIES, c, at)).intoArray(c, at);
    q3.add(FloatVector.fromArray(SPECIES, c, at + LANES)).intoArray(c, at + LANES);
    at += stride;
    p4.add(FloatVector.fromArray(SPECIES, c, at)).intoArray(c, at);
    q4.add(FloatVector.fromArray(SPECIES, c, at + LANES)).intoArray(c, at + LANES);
    at += stride;
    p5.add(FloatVector.fromArray(SPECIES, c, at)).intoArray(c, at);
    q5.add(FloatVector.fromArray(SPECIES, c, at + LANES)).intoArray(c, at + LANES);
  }

  @Override
  public void axpy(int count, float factor, float[] x, int xAt, float[] y, int yAt) {
    var f = FloatVector.broadcast(SPECIES, factor);
    int i = 0;
    for (int end = SPECIES.loopBound(count); i < end; i += LANES) {
      var sum =
          f.fma(
              FloatVector.fromArray(SPECIES, x, xAt + i),
              FloatVector.fromArray(SPECIES, y, yAt + i));
      sum.intoArray(y, yAt + i);
    }
    if (i < count) {
      var rest = SPECIES.indexInRange(i, count);
      var sum =
          f.fma(
              FloatVector.fromArray(SPECIES, x, xAt + i, rest),
              FloatVector.fromArray(SPECIES, y, yAt + i, rest));
      sum.intoArray(y, yAt + i, rest);
    }
  }
}

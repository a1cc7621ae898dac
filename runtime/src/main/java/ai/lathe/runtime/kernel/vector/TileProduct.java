package ai.lathe.runtime.kernel.vector;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** The products of attention: a few rows by two vectors of columns at a time. */
final class TileProduct {

  static final VectorSpecies<Float> SPECIES =
      FloatVector.SPECIES_PREFERRED.length() > FloatVector.SPECIES_512.length()
          ? FloatVector.SPECIES_512
          : FloatVector.SPECIES_PREFERRED;

  static final int LANES = SPECIES.length();

  /** Columns come in multiples of this. */
  static final int COLUMNS = 2 * LANES;

  /** Whether there are registers for the sums of eight rows. */
  static final boolean WIDE = LANES >= 16;

  private TileProduct() {}

  /**
   * {@code d[i][j] = keep[i] c[i][j] + sum over k in [k0, k1) of a[i][k] b[k][j]} for 4 rows and
   * columns {@code [from, to)}.
   */
  static void multiply4(
      float[] a,
      int aAt,
      int aStride,
      int k0,
      int k1,
      float[] b,
      int bStride,
      int from,
      int to,
      float[] keep,
      float[] c,
      int cAt,
      int cStride,
      float[] d,
      int dAt,
      int dStride) {
    int a1 = aAt + aStride;
    int a2 = a1 + aStride;
    int a3 = a2 + aStride;
    for (int j = from; j < to; j += COLUMNS) {
      int c0 = cAt + j;
      int c1 = c0 + cStride;
      int c2 = c1 + cStride;
      int c3 = c2 + cStride;
      var p0 = FloatVector.fromArray(SPECIES, c, c0).mul(keep[0]);
      var q0 = FloatVector.fromArray(SPECIES, c, c0 + LANES).mul(keep[0]);
      var p1 = FloatVector.fromArray(SPECIES, c, c1).mul(keep[1]);
      var q1 = FloatVector.fromArray(SPECIES, c, c1 + LANES).mul(keep[1]);
      var p2 = FloatVector.fromArray(SPECIES, c, c2).mul(keep[2]);
      var q2 = FloatVector.fromArray(SPECIES, c, c2 + LANES).mul(keep[2]);
      var p3 = FloatVector.fromArray(SPECIES, c, c3).mul(keep[3]);
      var q3 = FloatVector.fromArray(SPECIES, c, c3 + LANES).mul(keep[3]);
      int at = k0 * bStride + j;
      for (int k = k0; k < k1; k++, at += bStride) {
        var b0 = FloatVector.fromArray(SPECIES, b, at);
        var b1 = FloatVector.fromArray(SPECIES, b, at + LANES);
        var x0 = FloatVector.broadcast(SPECIES, a[aAt + k]);
        p0 = x0.fma(b0, p0);
        q0 = x0.fma(b1, q0);
        var x1 = FloatVector.broadcast(SPECIES, a[a1 + k]);
        p1 = x1.fma(b0, p1);
        q1 = x1.fma(b1, q1);
        var x2 = FloatVector.broadcast(SPECIES, a[a2 + k]);
        p2 = x2.fma(b0, p2);
        q2 = x2.fma(b1, q2);
        var x3 = FloatVector.broadcast(SPECIES, a[a3 + k]);
        p3 = x3.fma(b0, p3);
        q3 = x3.fma(b1, q3);
      }
      int d0 = dAt + j;
      int d1 = d0 + dStride;
      int d2 = d1 + dStride;
      int d3 = d2 + dStride;
      p0.intoArray(d, d0);
      q0.intoArray(d, d0 + LANES);
      p1.intoArray(d, d1);
      q1.intoArray(d, d1 + LANES);
      p2.intoArray(d, d2);
      q2.intoArray(d, d2 + LANES);
      p3.intoArray(d, d3);
      q3.intoArray(d, d3 + LANES);
    }
  }

  /** Likewise for 8 rows, whose sums fill the 32 registers of AVX-512 twice as well. */
  static void multiply8(
      float[] a,
      int aAt,
      int aStride,
      int k0,
      int k1,
      float[] b,
      int bStride,
      int from,
      int to,
      float[] keep,
      float[] c,
      int cAt,
      int cStride,
      float[] d,
      int dAt,
      int dStride) {
    int a1 = aAt + aStride;
    int a2 = a1 + aStride;
    int a3 = a2 + aStride;
    int a4 = a3 + aStride;
    int a5 = a4 + aStride;
    int a6 = a5 + aStride;
    int a7 = a6 + aStride;
    for (int j = from; j < to; j += COLUMNS) {
      int c0 = cAt + j;
      int c1 = c0 + cStride;
      int c2 = c1 + cStride;
      int c3 = c2 + cStride;
      int c4 = c3 + cStride;
      int c5 = c4 + cStride;
      int c6 = c5 + cStride;
      int c7 = c6 + cStride;
      var p0 = FloatVector.fromArray(SPECIES, c, c0).mul(keep[0]);
      var q0 = FloatVector.fromArray(SPECIES, c, c0 + LANES).mul(keep[0]);
      var p1 = FloatVector.fromArray(SPECIES, c, c1).mul(keep[1]);
      var q1 = FloatVector.fromArray(SPECIES, c, c1 + LANES).mul(keep[1]);
      var p2 = FloatVector.fromArray(SPECIES, c, c2).mul(keep[2]);
      var q2 = FloatVector.fromArray(SPECIES, c, c2 + LANES).mul(keep[2]);
      var p3 = FloatVector.fromArray(SPECIES, c, c3).mul(keep[3]);
      var q3 = FloatVector.fromArray(SPECIES, c, c3 + LANES).mul(keep[3]);
      var p4 = FloatVector.fromArray(SPECIES, c, c4).mul(keep[4]);
      var q4 = FloatVector.fromArray(SPECIES, c, c4 + LANES).mul(keep[4]);
      var p5 = FloatVector.fromArray(SPECIES, c, c5).mul(keep[5]);
      var q5 = FloatVector.fromArray(SPECIES, c, c5 + LANES).mul(keep[5]);
      var p6 = FloatVector.fromArray(SPECIES, c, c6).mul(keep[6]);
      var q6 = FloatVector.fromArray(SPECIES, c, c6 + LANES).mul(keep[6]);
      var p7 = FloatVector.fromArray(SPECIES, c, c7).mul(keep[7]);
      var q7 = FloatVector.fromArray(SPECIES, c, c7 + LANES).mul(keep[7]);
      int at = k0 * bStride + j;
      for (int k = k0; k < k1; k++, at += bStride) {
        var b0 = FloatVector.fromArray(SPECIES, b, at);
        var b1 = FloatVector.fromArray(SPECIES, b, at + LANES);
        var x0 = FloatVector.broadcast(SPECIES, a[aAt + k]);
        p0 = x0.fma(b0, p0);
        q0 = x0.fma(b1, q0);
        var x1 = FloatVector.broadcast(SPECIES, a[a1 + k]);
        p1 = x1.fma(b0, p1);
        q1 = x1.fma(b1, q1);
        var x2 = FloatVector.broadcast(SPECIES, a[a2 + k]);
        p2 = x2.fma(b0, p2);
        q2 = x2.fma(b1, q2);
        var x3 = FloatVector.broadcast(SPECIES, a[a3 + k]);
        p3 = x3.fma(b0, p3);
        q3 = x3.fma(b1, q3);
        var x4 = FloatVector.broadcast(SPECIES, a[a4 + k]);
        p4 = x4.fma(b0, p4);
        q4 = x4.fma(b1, q4);
        var x5 = FloatVector.broadcast(SPECIES, a[a5 + k]);
        p5 = x5.fma(b0, p5);
        q5 = x5.fma(b1, q5);
        var x6 = FloatVector.broadcast(SPECIES, a[a6 + k]);
        p6 = x6.fma(b0, p6);
        q6 = x6.fma(b1, q6);
        var x7 = FloatVector.broadcast(SPECIES, a[a7 + k]);
        p7 = x7.fma(b0, p7);
        q7 = x7.fma(b1, q7);
      }
      int d0 = dAt + j;
      int d1 = d0 + dStride;
      int d2 = d1 + dStride;
      int d3 = d2 + dStride;
      int d4 = d3 + dStride;
      int d5 = d4 + dStride;
      int d6 = d5 + dStride;
      int d7 = d6 + dStride;
      p0.intoArray(d, d0);
      q0.intoArray(d, d0 + LANES);
      p1.intoArray(d, d1);
      q1.intoArray(d, d1 + LANES);
      p2.intoArray(d, d2);
      q2.intoArray(d, d2 + LANES);
      p3.intoArray(d, d3);
      q3.intoArray(d, d3 + LANES);
      p4.intoArray(d, d4);
      q4.intoArray(d, d4 + LANES);
      p5.intoArray(d, d5);
      q5.intoArray(d, d5 + LANES);
      p6.intoArray(d, d6);
      q6.intoArray(d, d6 + LANES);
      p7.intoArray(d, d7);
      q7.intoArray(d, d7 + LANES);
    }
  }
}

package ai.lathe.runtime.kernel.vector;

import static ai.lathe.runtime.kernel.vector.Width.FLOATS;
import static ai.lathe.runtime.kernel.vector.Width.INTS;
import static ai.lathe.runtime.kernel.vector.Width.LANES;
import static ai.lathe.runtime.kernel.vector.Width.ORDER;
import static ai.lathe.runtime.kernel.vector.Width.SHORTS;
import static ai.lathe.runtime.kernel.vector.Width.VECTOR;
import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;

/**
 * Sums of products of codes and one token's inputs for each group, straight from the layout, for
 * two stripes at once: what is loaded of the input serves both.
 *
 * <p>Codes of 4 and 6 bits in 16-bit lanes: a row's two shorts hold codes of columns 2 apart, which
 * are multiplied with such a pair of inputs; {@code pairs} has for 8 columns from {@code k} those
 * of {@code (k, k + 2), (k + 4, k + 6), (k + 1, k + 3), (k + 5, k + 7)}. Of 32 columns 16 products
 * of 15 times 128 fit, of 16 columns 8 of 32 times 127. Codes of 8 bits in float32, which is exact
 * here.
 *
 * <p>All vector code of a kernel is in one method: what is spread over helpers the JIT compiler may
 * stop inlining, and then it allocates every vector.
 */
final class CodeSums {

  private CodeSums() {}

  /**
   * @param at of the first of {@code units} units, each of {@code blocks} times 64 columns
   * @param second from there to the other stripe's
   * @param halves whether groups have 16 columns instead of 32
   * @param offset of stored codes
   * @param p where in {@code pairs} the first column is
   * @param halfSums of the inputs' codes, the first at {@code h}
   * @param sums {@code [groups][16 rows]}, the other stripe's from {@code other} on
   */
  static void four(
      MemorySegment codes,
      long at,
      long second,
      int units,
      int blocks,
      int unitBytes,
      boolean halves,
      int offset,
      int[] pairs,
      int p,
      int[] halfSums,
      int h,
      float[] sums,
      int other) {
    for (int lane = 0; lane < 16; lane += LANES) {
      int o = lane;
      int x = p;
      int n = h;
      for (int u = 0; u < units; u++) {
        for (int b = 0; b < 2 * blocks; b++, x += 16, n += 2) {
          long w = at + (long) u * unitBytes + b * 4L * VECTOR + 4L * lane;
          var s0 = ShortVector.zero(SHORTS);
          var s1 = ShortVector.zero(SHORTS);
          var t0 = ShortVector.zero(SHORTS);
          var t1 = ShortVector.zero(SHORTS);
          for (int m = 0; m < 2; m++) {
            var x0 = IntVector.broadcast(INTS, pairs[x + 4 * m + 0]).reinterpretAsShorts();
            var x1 = IntVector.broadcast(INTS, pairs[x + 4 * m + 1]).reinterpretAsShorts();
            var x2 = IntVector.broadcast(INTS, pairs[x + 4 * m + 2]).reinterpretAsShorts();
            var x3 = IntVector.broadcast(INTS, pairs[x + 4 * m + 3]).reinterpretAsShorts();
            var c = ShortVector.fromMemorySegment(SHORTS, codes, w + m * VECTOR, ORDER);
            s0 = s0.add(c.and((short) 15).mul(x0));
            s0 = s0.add(c.lanewise(LSHR, 4).and((short) 15).mul(x1));
            s0 = s0.add(c.lanewise(LSHR, 8).and((short) 15).mul(x2));
            s0 = s0.add(c.lanewise(LSHR, 12).mul(x3));
            var d = ShortVector.fromMemorySegment(SHORTS, codes, w + second + m * VECTOR, ORDER);
            t0 = t0.add(d.and((short) 15).mul(x0));
            t0 = t0.add(d.lanewise(LSHR, 4).and((short) 15).mul(x1));
            t0 = t0.add(d.lanewise(LSHR, 8).and((short) 15).mul(x2));
            t0 = t0.add(d.lanewise(LSHR, 12).mul(x3));
            var x4 = IntVector.broadcast(INTS, pairs[x + 4 * m + 8]).reinterpretAsShorts();
            var x5 = IntVector.broadcast(INTS, pairs[x + 4 * m + 9]).reinterpretAsShorts();
            var x6 = IntVector.broadcast(INTS, pairs[x + 4 * m + 10]).reinterpretAsShorts();
            var x7 = IntVector.broadcast(INTS, pairs[x + 4 * m + 11]).reinterpretAsShorts();
            var e = ShortVector.fromMemorySegment(SHORTS, codes, w + (m + 2) * VECTOR, ORDER);
            s1 = s1.add(e.and((short) 15).mul(x4));
            s1 = s1.add(e.lanewise(LSHR, 4).and((short) 15).mul(x5));
            s1 = s1.add(e.lanewise(LSHR, 8).and((short) 15).mul(x6));
            s1 = s1.add(e.lanewise(LSHR, 12).mul(x7));
            var f =
                ShortVector.fromMemorySegment(SHORTS, codes, w + second + (m + 2) * VECTOR, ORDER);
            t1 = t1.add(f.and((short) 15).mul(x4));
            t1 = t1.add(f.lanewise(LSHR, 4).and((short) 15).mul(x5));
            t1 = t1.add(f.lanewise(LSHR, 8).and((short) 15).mul(x6));
            t1 = t1.add(f.lanewise(LSHR, 12).mul(x7));
          }
          if (halves) {
            int less = offset * halfSums[n];
            var i = s0.reinterpretAsInts();
            i = i.lanewise(LSHL, 16).lanewise(ASHR, 16).add(i.lanewise(ASHR, 16)).sub(less);
            ((FloatVector) i.convert(I2F, 0)).intoArray(sums, o);
            i = t0.reinterpretAsInts();
            i = i.lanewise(LSHL, 16).lanewise(ASHR, 16).add(i.lanewise(ASHR, 16)).sub(less);
            ((FloatVector) i.convert(I2F, 0)).intoArray(sums, other + o);
            less = offset * halfSums[n + 1];
            i = s1.reinterpretAsInts();
            i = i.lanewise(LSHL, 16).lanewise(ASHR, 16).add(i.lanewise(ASHR, 16)).sub(less);
            ((FloatVector) i.convert(I2F, 0)).intoArray(sums, o + 16);
            i = t1.reinterpretAsInts();
            i = i.lanewise(LSHL, 16).lanewise(ASHR, 16).add(i.lanewise(ASHR, 16)).sub(less);
            ((FloatVector) i.convert(I2F, 0)).intoArray(sums, other + o + 16);
            o += 32;
          } else {
            int less = offset * (halfSums[n] + halfSums[n + 1]);
            var i = s0.add(s1).reinterpretAsInts();
            i = i.lanewise(LSHL, 16).lanewise(ASHR, 16).add(i.lanewise(ASHR, 16)).sub(less);
            ((FloatVector) i.convert(I2F, 0)).intoArray(sums, o);
            i = t0.add(t1).reinterpretAsInts();
            i = i.lanewise(LSHL, 16).lanewise(ASHR, 16).add(i.lanewise(ASHR, 16)).sub(less);
            ((FloatVector) i.convert(I2F, 0)).intoArray(sums, other + o);
            o += 16;
          }
        }
      }
    }
  }

  /** As {@link #four}, of groups of 16 columns. */
  static void six(
      MemorySegment codes,
      long at,
      long second,
      int units,
      int blocks,
      int unitBytes,
      int[] pairs,
      int p,
      float[] sums,
      int other) {
    for (int lane = 0; lane < 16; lane += LANES) {
      int o = lane;
      int x = p;
      for (int u = 0; u < units; u++) {
        for (int b = 0; b < blocks; b++) {
          long w = at + (long) u * unitBytes + b * 12L * VECTOR + 4L * lane;
          for (int n = 0; n < 4; n++, x += 8, o += 16) {
            var x0 = IntVector.broadcast(INTS, pairs[x + 0]).reinterpretAsShorts();
            var x1 = IntVector.broadcast(INTS, pairs[x + 1]).reinterpretAsShorts();
            var x2 = IntVector.broadcast(INTS, pairs[x + 2]).reinterpretAsShorts();
            var x3 = IntVector.broadcast(INTS, pairs[x + 3]).reinterpretAsShorts();
            var x4 = IntVector.broadcast(INTS, pairs[x + 4]).reinterpretAsShorts();
            var x5 = IntVector.broadcast(INTS, pairs[x + 5]).reinterpretAsShorts();
            var x6 = IntVector.broadcast(INTS, pairs[x + 6]).reinterpretAsShorts();
            var x7 = IntVector.broadcast(INTS, pairs[x + 7]).reinterpretAsShorts();
            var h0 = ShortVector.fromMemorySegment(SHORTS, codes, w + (8 + n) * VECTOR, ORDER);
            var v0 = ShortVector.fromMemorySegment(SHORTS, codes, w + (2 * n + 0) * VECTOR, ORDER);
            var c0 = v0.and((short) 15).or(h0.lanewise(LSHL, 4).and((short) 48)).sub((short) 32);
            var s0 = c0.mul(x0);
            c0 =
                v0.lanewise(LSHR, 4)
                    .and((short) 15)
                    .or(h0.lanewise(LSHL, 2).and((short) 48))
                    .sub((short) 32);
            s0 = s0.add(c0.mul(x1));
            c0 =
                v0.lanewise(LSHR, 8)
                    .and((short) 15)
                    .or(h0.lanewise(LSHR, 4).and((short) 48))
                    .sub((short) 32);
            s0 = s0.add(c0.mul(x2));
            c0 = v0.lanewise(LSHR, 12).or(h0.lanewise(LSHR, 6).and((short) 48)).sub((short) 32);
            s0 = s0.add(c0.mul(x3));
            var w0 = ShortVector.fromMemorySegment(SHORTS, codes, w + (2 * n + 1) * VECTOR, ORDER);
            c0 = w0.and((short) 15).or(h0.and((short) 48)).sub((short) 32);
            s0 = s0.add(c0.mul(x4));
            c0 =
                w0.lanewise(LSHR, 4)
                    .and((short) 15)
                    .or(h0.lanewise(LSHR, 2).and((short) 48))
                    .sub((short) 32);
            s0 = s0.add(c0.mul(x5));
            c0 =
                w0.lanewise(LSHR, 8)
                    .and((short) 15)
                    .or(h0.lanewise(LSHR, 8).and((short) 48))
                    .sub((short) 32);
            s0 = s0.add(c0.mul(x6));
            c0 = w0.lanewise(LSHR, 12).or(h0.lanewise(LSHR, 10).and((short) 48)).sub((short) 32);
            s0 = s0.add(c0.mul(x7));
            var i0 = s0.reinterpretAsInts();
            i0 = i0.lanewise(LSHL, 16).lanewise(ASHR, 16).add(i0.lanewise(ASHR, 16));
            ((FloatVector) i0.convert(I2F, 0)).intoArray(sums, o);
            var h1 =
                ShortVector.fromMemorySegment(SHORTS, codes, w + second + (8 + n) * VECTOR, ORDER);
            var v1 =
                ShortVector.fromMemorySegment(
                    SHORTS, codes, w + second + (2 * n + 0) * VECTOR, ORDER);
            var c1 = v1.and((short) 15).or(h1.lanewise(LSHL, 4).and((short) 48)).sub((short) 32);
            var s1 = c1.mul(x0);
            c1 =
                v1.lanewise(LSHR, 4)
                    .and((short) 15)
                    .or(h1.lanewise(LSHL, 2).and((short) 48))
                    .sub((short) 32);
            s1 = s1.add(c1.mul(x1));
            c1 =
                v1.lanewise(LSHR, 8)
                    .and((short) 15)
                    .or(h1.lanewise(LSHR, 4).and((short) 48))
                    .sub((short) 32);
            s1 = s1.add(c1.mul(x2));
            c1 = v1.lanewise(LSHR, 12).or(h1.lanewise(LSHR, 6).and((short) 48)).sub((short) 32);
            s1 = s1.add(c1.mul(x3));
            var w1 =
                ShortVector.fromMemorySegment(
                    SHORTS, codes, w + second + (2 * n + 1) * VECTOR, ORDER);
            c1 = w1.and((short) 15).or(h1.and((short) 48)).sub((short) 32);
            s1 = s1.add(c1.mul(x4));
            c1 =
                w1.lanewise(LSHR, 4)
                    .and((short) 15)
                    .or(h1.lanewise(LSHR, 2).and((short) 48))
                    .sub((short) 32);
            s1 = s1.add(c1.mul(x5));
            c1 =
                w1.lanewise(LSHR, 8)
                    .and((short) 15)
                    .or(h1.lanewise(LSHR, 8).and((short) 48))
                    .sub((short) 32);
            s1 = s1.add(c1.mul(x6));
            c1 = w1.lanewise(LSHR, 12).or(h1.lanewise(LSHR, 10).and((short) 48)).sub((short) 32);
            s1 = s1.add(c1.mul(x7));
            var i1 = s1.reinterpretAsInts();
            i1 = i1.lanewise(LSHL, 16).lanewise(ASHR, 16).add(i1.lanewise(ASHR, 16));
            ((FloatVector) i1.convert(I2F, 0)).intoArray(sums, other + o);
          }
        }
      }
    }
  }

  /** Inputs as they are, from {@code x}. */
  static void eight(
      MemorySegment codes,
      long at,
      long second,
      int units,
      int blocks,
      int unitBytes,
      boolean halves,
      float[] inputs,
      int x,
      float[] sums,
      int other) {
    for (int lane = 0; lane < 16; lane += LANES) {
      int o = lane;
      int k = x;
      for (int u = 0; u < units; u++) {
        for (int b = 0; b < 2 * blocks; b++, k += 32) {
          long w = at + (long) u * unitBytes + b * 8L * VECTOR + 4L * lane;
          var s0 = FloatVector.zero(FLOATS);
          var s1 = FloatVector.zero(FLOATS);
          var t0 = FloatVector.zero(FLOATS);
          var t1 = FloatVector.zero(FLOATS);
          for (int m = 0; m < 4; m++) {
            int i = k + 4 * m;
            var x0 = FloatVector.broadcast(FLOATS, inputs[i + 0]);
            var x1 = FloatVector.broadcast(FLOATS, inputs[i + 1]);
            var x2 = FloatVector.broadcast(FLOATS, inputs[i + 2]);
            var x3 = FloatVector.broadcast(FLOATS, inputs[i + 3]);
            var c = IntVector.fromMemorySegment(INTS, codes, w + m * VECTOR, ORDER);
            s0 =
                ((FloatVector) c.lanewise(LSHL, 24).lanewise(ASHR, 24).convert(I2F, 0)).fma(x0, s0);
            s0 =
                ((FloatVector) c.lanewise(LSHL, 16).lanewise(ASHR, 24).convert(I2F, 0)).fma(x1, s0);
            s0 = ((FloatVector) c.lanewise(LSHL, 8).lanewise(ASHR, 24).convert(I2F, 0)).fma(x2, s0);
            s0 = ((FloatVector) c.lanewise(ASHR, 24).convert(I2F, 0)).fma(x3, s0);
            var d = IntVector.fromMemorySegment(INTS, codes, w + second + m * VECTOR, ORDER);
            t0 =
                ((FloatVector) d.lanewise(LSHL, 24).lanewise(ASHR, 24).convert(I2F, 0)).fma(x0, t0);
            t0 =
                ((FloatVector) d.lanewise(LSHL, 16).lanewise(ASHR, 24).convert(I2F, 0)).fma(x1, t0);
            t0 = ((FloatVector) d.lanewise(LSHL, 8).lanewise(ASHR, 24).convert(I2F, 0)).fma(x2, t0);
            t0 = ((FloatVector) d.lanewise(ASHR, 24).convert(I2F, 0)).fma(x3, t0);
            var x4 = FloatVector.broadcast(FLOATS, inputs[i + 16]);
            var x5 = FloatVector.broadcast(FLOATS, inputs[i + 17]);
            var x6 = FloatVector.broadcast(FLOATS, inputs[i + 18]);
            var x7 = FloatVector.broadcast(FLOATS, inputs[i + 19]);
            var e = IntVector.fromMemorySegment(INTS, codes, w + (m + 4) * VECTOR, ORDER);
            s1 =
                ((FloatVector) e.lanewise(LSHL, 24).lanewise(ASHR, 24).convert(I2F, 0)).fma(x4, s1);
            s1 =
                ((FloatVector) e.lanewise(LSHL, 16).lanewise(ASHR, 24).convert(I2F, 0)).fma(x5, s1);
            s1 = ((FloatVector) e.lanewise(LSHL, 8).lanewise(ASHR, 24).convert(I2F, 0)).fma(x6, s1);
            s1 = ((FloatVector) e.lanewise(ASHR, 24).convert(I2F, 0)).fma(x7, s1);
            var f = IntVector.fromMemorySegment(INTS, codes, w + second + (m + 4) * VECTOR, ORDER);
            t1 =
                ((FloatVector) f.lanewise(LSHL, 24).lanewise(ASHR, 24).convert(I2F, 0)).fma(x4, t1);
            t1 =
                ((FloatVector) f.lanewise(LSHL, 16).lanewise(ASHR, 24).convert(I2F, 0)).fma(x5, t1);
            t1 = ((FloatVector) f.lanewise(LSHL, 8).lanewise(ASHR, 24).convert(I2F, 0)).fma(x6, t1);
            t1 = ((FloatVector) f.lanewise(ASHR, 24).convert(I2F, 0)).fma(x7, t1);
          }
          if (halves) {
            s0.intoArray(sums, o);
            s1.intoArray(sums, o + 16);
            t0.intoArray(sums, other + o);
            t1.intoArray(sums, other + o + 16);
            o += 32;
          } else {
            s0.add(s1).intoArray(sums, o);
            t0.add(t1).intoArray(sums, other + o);
            o += 16;
          }
        }
      }
    }
  }
}

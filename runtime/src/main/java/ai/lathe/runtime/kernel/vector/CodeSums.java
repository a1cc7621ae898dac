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
 * Sums of products of codes and one token's inputs for each group, straight from the layout.
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
   * @param offset of stored codes
   * @param p where in {@code pairs} the first column is
   * @param halfSums of the inputs' codes, the first at {@code h}
   * @param sums {@code [groups][16 rows]} from {@code to}
   */
  static void four(
      MemorySegment codes,
      long at,
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
      int to) {
    for (int lane = 0; lane < 16; lane += LANES) {
      int o = to + lane;
      int x = p;
      int n = h;
      for (int u = 0; u < units; u++) {
        for (int b = 0; b < blocks; b++, x += 32, n += 4) {
          long w = at + (long) u * unitBytes + b * 8L * VECTOR + 4L * lane;
          var s0 = ShortVector.zero(SHORTS);
          var s1 = ShortVector.zero(SHORTS);
          var s2 = ShortVector.zero(SHORTS);
          var s3 = ShortVector.zero(SHORTS);
          for (int m = 0; m < 2; m++) {
            int k = x + 4 * m;
            var v = ShortVector.fromMemorySegment(SHORTS, codes, w + m * VECTOR, ORDER);
            var c = v.and((short) 15);
            s0 = s0.add(c.mul(IntVector.broadcast(INTS, pairs[k]).reinterpretAsShorts()));
            c = v.lanewise(LSHR, 4).and((short) 15);
            s0 = s0.add(c.mul(IntVector.broadcast(INTS, pairs[k + 1]).reinterpretAsShorts()));
            c = v.lanewise(LSHR, 8).and((short) 15);
            s0 = s0.add(c.mul(IntVector.broadcast(INTS, pairs[k + 2]).reinterpretAsShorts()));
            c = v.lanewise(LSHR, 12);
            s0 = s0.add(c.mul(IntVector.broadcast(INTS, pairs[k + 3]).reinterpretAsShorts()));
            v = ShortVector.fromMemorySegment(SHORTS, codes, w + (m + 2) * VECTOR, ORDER);
            c = v.and((short) 15);
            s1 = s1.add(c.mul(IntVector.broadcast(INTS, pairs[k + 8]).reinterpretAsShorts()));
            c = v.lanewise(LSHR, 4).and((short) 15);
            s1 = s1.add(c.mul(IntVector.broadcast(INTS, pairs[k + 9]).reinterpretAsShorts()));
            c = v.lanewise(LSHR, 8).and((short) 15);
            s1 = s1.add(c.mul(IntVector.broadcast(INTS, pairs[k + 10]).reinterpretAsShorts()));
            c = v.lanewise(LSHR, 12);
            s1 = s1.add(c.mul(IntVector.broadcast(INTS, pairs[k + 11]).reinterpretAsShorts()));
            v = ShortVector.fromMemorySegment(SHORTS, codes, w + (m + 4) * VECTOR, ORDER);
            c = v.and((short) 15);
            s2 = s2.add(c.mul(IntVector.broadcast(INTS, pairs[k + 16]).reinterpretAsShorts()));
            c = v.lanewise(LSHR, 4).and((short) 15);
            s2 = s2.add(c.mul(IntVector.broadcast(INTS, pairs[k + 17]).reinterpretAsShorts()));
            c = v.lanewise(LSHR, 8).and((short) 15);
            s2 = s2.add(c.mul(IntVector.broadcast(INTS, pairs[k + 18]).reinterpretAsShorts()));
            c = v.lanewise(LSHR, 12);
            s2 = s2.add(c.mul(IntVector.broadcast(INTS, pairs[k + 19]).reinterpretAsShorts()));
            v = ShortVector.fromMemorySegment(SHORTS, codes, w + (m + 6) * VECTOR, ORDER);
            c = v.and((short) 15);
            s3 = s3.add(c.mul(IntVector.broadcast(INTS, pairs[k + 24]).reinterpretAsShorts()));
            c = v.lanewise(LSHR, 4).and((short) 15);
            s3 = s3.add(c.mul(IntVector.broadcast(INTS, pairs[k + 25]).reinterpretAsShorts()));
            c = v.lanewise(LSHR, 8).and((short) 15);
            s3 = s3.add(c.mul(IntVector.broadcast(INTS, pairs[k + 26]).reinterpretAsShorts()));
            c = v.lanewise(LSHR, 12);
            s3 = s3.add(c.mul(IntVector.broadcast(INTS, pairs[k + 27]).reinterpretAsShorts()));
          }
          if (halves) {
            var i = s0.reinterpretAsInts();
            i = i.lanewise(LSHL, 16).lanewise(ASHR, 16).add(i.lanewise(ASHR, 16));
            ((FloatVector) i.sub(offset * halfSums[n]).convert(I2F, 0)).intoArray(sums, o);
            i = s1.reinterpretAsInts();
            i = i.lanewise(LSHL, 16).lanewise(ASHR, 16).add(i.lanewise(ASHR, 16));
            ((FloatVector) i.sub(offset * halfSums[n + 1]).convert(I2F, 0)).intoArray(sums, o + 16);
            i = s2.reinterpretAsInts();
            i = i.lanewise(LSHL, 16).lanewise(ASHR, 16).add(i.lanewise(ASHR, 16));
            ((FloatVector) i.sub(offset * halfSums[n + 2]).convert(I2F, 0)).intoArray(sums, o + 32);
            i = s3.reinterpretAsInts();
            i = i.lanewise(LSHL, 16).lanewise(ASHR, 16).add(i.lanewise(ASHR, 16));
            ((FloatVector) i.sub(offset * halfSums[n + 3]).convert(I2F, 0)).intoArray(sums, o + 48);
            o += 64;
          } else {
            var i = s0.add(s1).reinterpretAsInts();
            i = i.lanewise(LSHL, 16).lanewise(ASHR, 16).add(i.lanewise(ASHR, 16));
            i = i.sub(offset * (halfSums[n] + halfSums[n + 1]));
            ((FloatVector) i.convert(I2F, 0)).intoArray(sums, o);
            i = s2.add(s3).reinterpretAsInts();
            i = i.lanewise(LSHL, 16).lanewise(ASHR, 16).add(i.lanewise(ASHR, 16));
            i = i.sub(offset * (halfSums[n + 2] + halfSums[n + 3]));
            ((FloatVector) i.convert(I2F, 0)).intoArray(sums, o + 16);
            o += 32;
          }
        }
      }
    }
  }

  /** As {@link #four}, of groups of 16 columns. */
  static void six(
      MemorySegment codes,
      long at,
      int units,
      int blocks,
      int unitBytes,
      int[] pairs,
      int p,
      float[] sums,
      int to) {
    for (int lane = 0; lane < 16; lane += LANES) {
      int o = to + lane;
      int x = p;
      for (int u = 0; u < units; u++) {
        for (int b = 0; b < blocks; b++) {
          long w = at + (long) u * unitBytes + b * 12L * VECTOR + 4L * lane;
          for (int n = 0; n < 4; n++, x += 8, o += 16) {
            var h = ShortVector.fromMemorySegment(SHORTS, codes, w + (8 + n) * VECTOR, ORDER);
            var v = ShortVector.fromMemorySegment(SHORTS, codes, w + 2 * n * VECTOR, ORDER);
            var c = v.and((short) 15).or(h.lanewise(LSHL, 4).and((short) 48)).sub((short) 32);
            var s = c.mul(IntVector.broadcast(INTS, pairs[x]).reinterpretAsShorts());
            c = v.lanewise(LSHR, 4).and((short) 15);
            c = c.or(h.lanewise(LSHL, 2).and((short) 48)).sub((short) 32);
            s = s.add(c.mul(IntVector.broadcast(INTS, pairs[x + 1]).reinterpretAsShorts()));
            c = v.lanewise(LSHR, 8).and((short) 15);
            c = c.or(h.lanewise(LSHR, 4).and((short) 48)).sub((short) 32);
            s = s.add(c.mul(IntVector.broadcast(INTS, pairs[x + 2]).reinterpretAsShorts()));
            c = v.lanewise(LSHR, 12).or(h.lanewise(LSHR, 6).and((short) 48)).sub((short) 32);
            s = s.add(c.mul(IntVector.broadcast(INTS, pairs[x + 3]).reinterpretAsShorts()));
            v = ShortVector.fromMemorySegment(SHORTS, codes, w + (2 * n + 1) * VECTOR, ORDER);
            c = v.and((short) 15).or(h.and((short) 48)).sub((short) 32);
            s = s.add(c.mul(IntVector.broadcast(INTS, pairs[x + 4]).reinterpretAsShorts()));
            c = v.lanewise(LSHR, 4).and((short) 15);
            c = c.or(h.lanewise(LSHR, 2).and((short) 48)).sub((short) 32);
            s = s.add(c.mul(IntVector.broadcast(INTS, pairs[x + 5]).reinterpretAsShorts()));
            c = v.lanewise(LSHR, 8).and((short) 15);
            c = c.or(h.lanewise(LSHR, 8).and((short) 48)).sub((short) 32);
            s = s.add(c.mul(IntVector.broadcast(INTS, pairs[x + 6]).reinterpretAsShorts()));
            c = v.lanewise(LSHR, 12).or(h.lanewise(LSHR, 10).and((short) 48)).sub((short) 32);
            s = s.add(c.mul(IntVector.broadcast(INTS, pairs[x + 7]).reinterpretAsShorts()));
            var i = s.reinterpretAsInts();
            i = i.lanewise(LSHL, 16).lanewise(ASHR, 16).add(i.lanewise(ASHR, 16));
            ((FloatVector) i.convert(I2F, 0)).intoArray(sums, o);
          }
        }
      }
    }
  }

  /** Inputs as they are, from {@code x}. */
  static void eight(
      MemorySegment codes,
      long at,
      int units,
      int blocks,
      int unitBytes,
      boolean halves,
      float[] inputs,
      int x,
      float[] sums,
      int to) {
    for (int lane = 0; lane < 16; lane += LANES) {
      int o = to + lane;
      int k = x;
      for (int u = 0; u < units; u++) {
        for (int b = 0; b < 2 * blocks; b++, k += 32) {
          long w = at + (long) u * unitBytes + b * 8L * VECTOR + 4L * lane;
          var s = FloatVector.zero(FLOATS);
          var t = FloatVector.zero(FLOATS);
          for (int m = 0; m < 4; m++) {
            int i = k + 4 * m;
            var v = IntVector.fromMemorySegment(INTS, codes, w + m * VECTOR, ORDER);
            var c = (FloatVector) v.lanewise(LSHL, 24).lanewise(ASHR, 24).convert(I2F, 0);
            s = c.fma(FloatVector.broadcast(FLOATS, inputs[i]), s);
            c = (FloatVector) v.lanewise(LSHL, 16).lanewise(ASHR, 24).convert(I2F, 0);
            s = c.fma(FloatVector.broadcast(FLOATS, inputs[i + 1]), s);
            c = (FloatVector) v.lanewise(LSHL, 8).lanewise(ASHR, 24).convert(I2F, 0);
            s = c.fma(FloatVector.broadcast(FLOATS, inputs[i + 2]), s);
            c = (FloatVector) v.lanewise(ASHR, 24).convert(I2F, 0);
            s = c.fma(FloatVector.broadcast(FLOATS, inputs[i + 3]), s);
            v = IntVector.fromMemorySegment(INTS, codes, w + (m + 4) * VECTOR, ORDER);
            c = (FloatVector) v.lanewise(LSHL, 24).lanewise(ASHR, 24).convert(I2F, 0);
            t = c.fma(FloatVector.broadcast(FLOATS, inputs[i + 16]), t);
            c = (FloatVector) v.lanewise(LSHL, 16).lanewise(ASHR, 24).convert(I2F, 0);
            t = c.fma(FloatVector.broadcast(FLOATS, inputs[i + 17]), t);
            c = (FloatVector) v.lanewise(LSHL, 8).lanewise(ASHR, 24).convert(I2F, 0);
            t = c.fma(FloatVector.broadcast(FLOATS, inputs[i + 18]), t);
            c = (FloatVector) v.lanewise(ASHR, 24).convert(I2F, 0);
            t = c.fma(FloatVector.broadcast(FLOATS, inputs[i + 19]), t);
          }
          if (halves) {
            s.intoArray(sums, o);
            t.intoArray(sums, o + 16);
            o += 32;
          } else {
            s.add(t).intoArray(sums, o);
            o += 16;
          }
        }
      }
    }
  }
}

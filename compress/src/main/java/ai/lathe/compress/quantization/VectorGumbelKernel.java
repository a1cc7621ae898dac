package ai.lathe.compress.quantization;

import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.F2I;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LE;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.LT;
import static jdk.incubator.vector.VectorOperators.XOR;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * As many weights at a time as a vector has lanes; without fused multiply-adds, so that it rounds
 * as {@link ScalarGumbelKernel} does. Passes are short methods: in one long method the compiler
 * stops inlining, and vectors become objects.
 */
final class VectorGumbelKernel implements GumbelKernel {

  private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Integer> INTS = FLOATS.withLanes(int.class).check(int.class);
  private static final int LANES = FLOATS.length();

  /** Eight times the number of each lane. */
  private static final IntVector PLACES = IntVector.zero(INTS).addIndex(8);

  @Override
  public void soften(
      float[][] logits,
      int at,
      int count,
      int key,
      float slope,
      float noise,
      float[][] p,
      float[] mean) {
    int bound = FLOATS.loopBound(count);
    for (int c = 0; c < p.length; c++) {
      exponential(key, at * 8 + c, bound, p[c]);
      sharpen(logits[c], at, bound, slope, noise, p[c]);
    }
    softmax(p, bound, mean);
    ScalarGumbelKernel.soften(logits, at, bound, count, key, slope, noise, p, mean);
  }

  /** Noise whose logarithm is the negative of Gumbel noise. */
  private static void exponential(int key, int first, int bound, float[] x) {
    for (int j = 0; j < bound; j += LANES) {
      var h = PLACES.add(j * 8 + first).lanewise(XOR, key);
      h = h.lanewise(XOR, h.lanewise(LSHR, 16)).mul(0x7feb352d);
      h = h.lanewise(XOR, h.lanewise(LSHR, 15)).mul(0x846ca68b);
      h = h.lanewise(XOR, h.lanewise(LSHR, 16));
      var u = ((FloatVector) h.lanewise(LSHR, 32 - BITS).convert(I2F, 0)).add(0.5f);
      log(u.mul(1f / (1 << BITS))).neg().intoArray(x, j);
    }
  }

  private static void sharpen(float[] l, int at, int bound, float slope, float noise, float[] x) {
    for (int j = 0; j < bound; j += LANES) {
      var g = log(FloatVector.fromArray(FLOATS, x, j)).neg();
      FloatVector.fromArray(FLOATS, l, at + j).mul(slope).add(g.mul(noise)).intoArray(x, j);
    }
  }

  private static void softmax(float[][] p, int bound, float[] mean) {
    for (int j = 0; j < bound; j += LANES) {
      var most = FloatVector.fromArray(FLOATS, p[0], j);
      for (int c = 1; c < p.length; c++) {
        most = most.max(FloatVector.fromArray(FLOATS, p[c], j));
      }
      var sum = FloatVector.zero(FLOATS);
      for (var x : p) {
        var e = exp(FloatVector.fromArray(FLOATS, x, j).sub(most));
        e.intoArray(x, j);
        sum = sum.add(e);
      }
      var share = FloatVector.broadcast(FLOATS, 1).div(sum);
      var middle = FloatVector.zero(FLOATS);
      for (int c = 0; c < p.length; c++) {
        var q = FloatVector.fromArray(FLOATS, p[c], j).mul(share);
        q.intoArray(p[c], j);
        middle = middle.add(q.mul((float) c));
      }
      middle.intoArray(mean, j);
    }
  }

  private static FloatVector log(FloatVector x) {
    var bits = x.reinterpretAsInts();
    var n = bits.sub(ROOT_HALF).lanewise(ASHR, 23);
    var f = bits.sub(n.lanewise(LSHL, 23)).reinterpretAsFloats().sub(1);
    var series = f.mul(L7).add(L6);
    series = series.mul(f).add(L5);
    series = series.mul(f).add(L4);
    series = series.mul(f).add(L3);
    series = series.mul(f).add(L2);
    series = series.mul(f).add(L1);
    series = series.mul(f).add(L0);
    return ((FloatVector) n.convert(I2F, 0)).mul(LN2).add(f.mul(series));
  }

  private static FloatVector exp(FloatVector x) {
    var y = x.mul(LOG2_E).max(-127);
    var n = (IntVector) y.sub(0.5f).convert(F2I, 0);
    var f = y.sub((FloatVector) n.convert(I2F, 0)).mul(LN2);
    var series = f.mul(1 / 720f).add(1 / 120f);
    series = series.mul(f).add(1 / 24f);
    series = series.mul(f).add(1 / 6f);
    series = series.mul(f).add(0.5f);
    series = series.mul(f).add(1);
    series = series.mul(f).add(1);
    return series.mul(n.add(127).lanewise(LSHL, 23).reinterpretAsFloats());
  }

  @Override
  public void step(
      float[][] logits,
      float[][] momentum,
      int at,
      int count,
      float[][] p,
      float[] mean,
      float[] slopes,
      float rate,
      float decay) {
    int bound = FLOATS.loopBound(count);
    var zero = FloatVector.zero(FLOATS);
    for (int c = 0; c < p.length; c++) {
      var l = logits[c];
      var m = momentum[c];
      var code = FloatVector.broadcast(FLOATS, c);
      for (int j = 0; j < bound; j += LANES) {
        var g =
            FloatVector.fromArray(FLOATS, slopes, j)
                .mul(FloatVector.fromArray(FLOATS, p[c], j))
                .mul(code.sub(FloatVector.fromArray(FLOATS, mean, j)));
        var before = FloatVector.fromArray(FLOATS, m, at + j);
        var way = before.mul(BETA1).add(g.mul(1 - BETA1));
        before.mul(BETA2).add(g.mul(1 - BETA2)).intoArray(m, at + j);
        var sign = zero.blend(1, way.compare(GT, 0)).blend(-1, way.compare(LT, 0));
        var x = FloatVector.fromArray(FLOATS, l, at + j);
        x.sub(sign.add(x.mul(decay)).mul(rate)).blend(x, x.compare(LE, NEVER)).intoArray(l, at + j);
      }
    }
    ScalarGumbelKernel.step(logits, momentum, at, bound, count, p, mean, slopes, rate, decay);
  }
}

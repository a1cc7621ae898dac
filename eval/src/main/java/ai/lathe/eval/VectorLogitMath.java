package ai.lathe.eval;

import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** A vector of float64 at a time; loaded only where the incubator module is readable. */
final class VectorLogitMath implements LogitMath {

  private static final VectorSpecies<Double> DOUBLE = DoubleVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Float> WIDE = FloatVector.SPECIES_PREFERRED;
  private static final ScalarLogitMath SCALAR = new ScalarLogitMath();

  /** As many floats as {@link #DOUBLE} has lanes. */
  private static final VectorSpecies<Float> FLOAT =
      fits()
          ? VectorSpecies.of(float.class, VectorShape.forBitSize(DOUBLE.vectorBitSize() / 2))
          : FloatVector.SPECIES_64;

  static boolean fits() {
    return DOUBLE.length() >= 2;
  }

  @Override
  public float max(float[] x, int at, int n) {
    int bound = WIDE.loopBound(n);
    var max = FloatVector.broadcast(WIDE, Float.NEGATIVE_INFINITY);
    var spoiled = FloatVector.zero(WIDE);
    for (int i = 0; i < bound; i += WIDE.length()) {
      var v = FloatVector.fromArray(WIDE, x, at + i);
      max = max.max(v);
      spoiled = spoiled.add(v.mul(0f));
    }
    float rest = SCALAR.max(x, at + bound, n - bound);
    return Math.max(max.reduceLanes(VectorOperators.MAX), rest)
        + spoiled.reduceLanes(VectorOperators.ADD);
  }

  @Override
  public double logSumExp(float[] x, int at, int n, float max) {
    int bound = DOUBLE.loopBound(n);
    var sums = DoubleVector.zero(DOUBLE);
    for (int i = 0; i < bound; i += DOUBLE.length()) {
      sums = sums.add(exp(load(x, at + i).sub(max)));
    }
    double sum = sums.reduceLanes(VectorOperators.ADD);
    for (int i = at + bound; i < at + n; i++) {
      sum += Exp.exp((double) x[i] - max);
    }
    return max + Math.log(sum);
  }

  @Override
  public void compare(
      float[] x, int xAt, double logX, float[] y, int yAt, double logY, int n, double[] target) {
    int bound = DOUBLE.loopBound(n);
    var divergence = DoubleVector.zero(DOUBLE);
    var overlap = DoubleVector.zero(DOUBLE);
    for (int i = 0; i < bound; i += DOUBLE.length()) {
      var logP = load(x, xAt + i).sub(logX);
      var logQ = load(y, yAt + i).sub(logY);
      var p = exp(logP);
      divergence = divergence.add(p.mul(logP.sub(logQ)));
      overlap = overlap.add(p.min(exp(logQ)));
    }
    SCALAR.compare(x, xAt + bound, logX, y, yAt + bound, logY, n - bound, target);
    target[0] += divergence.reduceLanes(VectorOperators.ADD);
    target[1] += overlap.reduceLanes(VectorOperators.ADD);
  }

  private static DoubleVector load(float[] x, int at) {
    return (DoubleVector)
        FloatVector.fromArray(FLOAT, x, at).convertShape(VectorOperators.F2D, DOUBLE, 0);
  }

  /** {@link Exp#exp}, operation by operation. */
  private static DoubleVector exp(DoubleVector x) {
    var shifted = x.mul(Exp.LOG2_E).add(Exp.ROUND);
    var k = shifted.sub(Exp.ROUND);
    var r = x.sub(k.mul(Exp.LN2_HIGH)).sub(k.mul(Exp.LN2_LOW));
    var series = DoubleVector.broadcast(DOUBLE, Exp.TAYLOR[0]);
    for (int i = 1; i < Exp.TAYLOR.length; i++) {
      series = series.mul(r).add(Exp.TAYLOR[i]);
    }
    LongVector bits = shifted.viewAsIntegralLanes().reinterpretAsLongs();
    var power = bits.add(1023).lanewise(VectorOperators.LSHL, 52).reinterpretAsDoubles();
    return series.mul(power).blend(0, x.lt(Exp.LOWEST));
  }
}

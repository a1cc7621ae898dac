package ai.lathe.compress.training;

import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Tensor;
import ai.lathe.tensor.linalg.Parallel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;

/**
 * The scales of a matrix of integer codes as parameters: {@code V_j = s k_j} with {@code k} the
 * codes less their zero points, 0 where a weight is pruned, so that {@code dL/d(log s)} is the
 * group's sum of {@code s k_j dL/dV_j}. Codes, zero points and the mask never change.
 */
final class CodeScales {

  /** The least float16 above zero, and the greatest. */
  private static final float LEAST_F16 = 0x1p-24f;

  private static final float GREATEST_F16 = 65_504;

  private final LinearWeight start;
  private final DType type;
  private final byte[] steps;
  private final int size;
  private final float[] startScale;
  private final Adam adam;

  /** {@code log(s / s0) [out, groups]}. */
  final Matrix logScale;

  private CodeScales(LinearWeight start, GroupQuantized codes, double rate) {
    this.start = start;
    this.type = codes.scales().dtype();
    int groups = codes.scheme().groups(codes.columns());
    size = codes.columns() / groups;
    startScale = codes.scales().toFloats();
    logScale = Matrix.zeros(codes.rows(), groups);
    adam = new Adam(logScale, rate);
    steps = codes.codes().clone();
    for (int at = 0; codes.zeros() != null && at < steps.length; at++) {
      steps[at] -= codes.zeros()[at / size];
    }
  }

  /** Empty for weights that are not codes in consecutive groups, or round their inputs. */
  static Optional<CodeScales> of(LinearWeight weight, double rate) {
    if (!(weight.activations() instanceof Activations.None)) {
      return Optional.empty();
    }
    return switch (weight) {
      case Sparse sparse when sparse.values() instanceof Sparse.Values.Codes ->
          Optional.of(new CodeScales(sparse, (GroupQuantized) sparse.dense(), rate));
      case GroupQuantized codes when codes.groupIndex() == null ->
          Optional.of(new CodeScales(codes, codes, rate));
      default -> Optional.empty();
    };
  }

  /** As they will be stored: of their type, of the sign that they had, never zero or infinite. */
  float[] scales() {
    var scales = new float[startScale.length];
    for (int g = 0; g < scales.length; g++) {
      float scale = startScale[g] * (float) Math.exp(logScale.values()[g]);
      float least = type == DType.F16 ? LEAST_F16 : Float.MIN_NORMAL;
      float greatest = type == DType.F16 ? GREATEST_F16 : 0x1.FEp127f;
      scales[g] = Math.copySign(Math.clamp(Math.abs(scale), least, greatest), scale);
    }
    return tensor(scales).toFloats();
  }

  private Tensor tensor(float[] scales) {
    return Tensor.ofFloats(scales, logScale.rows(), logScale.columns()).to(type, Arena.ofAuto());
  }

  /**
   * The matrix with other scales.
   *
   * @param scales {@code [out, groups]} that can be stored
   */
  LinearWeight weight(float[] scales) {
    return switch (start) {
      case Sparse sparse when sparse.values() instanceof Sparse.Values.Codes codes ->
          new Sparse(
              sparse.encoding(),
              sparse.mask(),
              new Sparse.Values.Codes(codes.kept(), tensor(scales), codes.zeros()),
              sparse.inputScale());
      case GroupQuantized codes ->
          new GroupQuantized(
              codes.scheme(),
              codes.rows(),
              codes.columns(),
              codes.codes(),
              tensor(scales),
              codes.zeros(),
              null,
              codes.inputScale());
      default -> throw new IllegalStateException("not codes");
    };
  }

  int groups() {
    return startScale.length;
  }

  /**
   * The gradient by logarithms of scales.
   *
   * @param ofValues the loss's by {@code V}, {@code [out, in]} float32
   */
  float[] differentiate(MemorySegment ofValues) {
    var gradient = adam.gradient().values();
    var scales = scales();
    int groups = logScale.columns();
    Parallel.forEach(
        logScale.rows(),
        row -> {
          for (int g = row * groups; g < (row + 1) * groups; g++) {
            double sum = 0;
            for (int at = g * size; at < (g + 1) * size; at++) {
              sum += (double) steps[at] * ofValues.getAtIndex(ValueLayout.JAVA_FLOAT, at);
            }
            gradient[g] = (float) (scales[g] * sum);
          }
        });
    return gradient;
  }

  /** A step of Adam against the gradient that was computed last. */
  void step(double share) {
    adam.step(share);
  }
}

package ai.lathe.torch;

import ai.lathe.tensor.Activations;
import ai.lathe.tensor.ElementType;
import ai.lathe.tensor.FloatType;
import ai.lathe.tensor.GroupScale;
import ai.lathe.tensor.IntegerType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Rotated;
import ai.lathe.tensor.linalg.Hadamard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * {@link Activations} executed: every input value is replaced by the one that its code and scale
 * stand for, in float32.
 *
 * @param inputScale the weight's, where the activations are calibrated
 * @param rotation features of a Hadamard block that the input is rotated in before; 0 for none
 */
record InputRounding(Activations activations, float inputScale, int rotation) {

  static final InputRounding NONE = new InputRounding(Activations.NONE, Float.NaN, 0);

  /** An input of zeros keeps some scale; which one does not matter. */
  private static final float SMALLEST_SCALE = Float.MIN_NORMAL;

  InputRounding {
    if (activations.calibrated() && !(inputScale > 0 && inputScale < Float.POSITIVE_INFINITY)) {
      throw new LatheException(
          "a layer whose input is rounded to %s needs a positive scale for it, not %s"
              .formatted(activations.label(), inputScale));
    }
  }

  static InputRounding of(LinearWeight weight) {
    if (weight.activations() instanceof Activations.None) {
      return NONE;
    }
    int rotation = weight instanceof Rotated(int size, _) ? size : 0;
    return new InputRounding(weight.activations(), weight.inputScale(), rotation);
  }

  boolean rotates() {
    return rotation > 0;
  }

  /** {@code [.., in]} float32 to the same, in the caller's scope. */
  Tensor apply(Tensor input) {
    return rounded(rotates() ? rotated(input) : input);
  }

  private Tensor rotated(Tensor input) {
    var hadamard = Torch.ofFloats(Hadamard.matrix(rotation).values(), rotation, rotation);
    return input
        .unflatten(-1, input.size(-1) / rotation, rotation)
        .matmul(hadamard)
        .flatten(-2, -1);
  }

  private Tensor rounded(Tensor input) {
    return switch (activations) {
      case Activations.None() -> input;
      case Activations.PerToken(var element) ->
          scaled(
              input, input.abs().amax(new long[] {-1}, true).div(scalar(element.reach())), element);
      case Activations.PerTensor(var element) ->
          round(input.div(scalar(inputScale)), element).mul(scalar(inputScale));
      case Activations.PerGroup(var element, int size, var scale) -> {
        long columns = input.size(-1);
        if (columns % size != 0) {
          throw new LatheException(
              "groups of %d do not divide an input of %d".formatted(size, columns));
        }
        var groups = input.unflatten(-1, columns / size, size);
        var largest = groups.abs().amax(new long[] {-1}, true);
        yield scaled(groups, scale(largest, element, scale), element).flatten(-2, -1);
      }
    };
  }

  private Tensor scale(Tensor largest, ElementType element, GroupScale scale) {
    return switch (scale) {
      case FLOAT -> largest.div(scalar(element.reach()));
      case E8M0 -> powerOfTwo(largest, element);
      case E4M3_GLOBAL -> {
        var local = largest.div(scalar(element.reach())).mul(scalar(inputScale));
        yield round(local, FloatType.E4M3).div(scalar(inputScale));
      }
    };
  }

  /**
   * The largest power of two not above the largest value, or the next one from 7/4 of it on,
   * brought to the type's highest binade: compressed-tensors' rule for MX scales. Adding a quarter
   * to a float's mantissa carries into its exponent from 7/4 on.
   */
  private static Tensor powerOfTwo(Tensor largest, ElementType element) {
    var bits = largest.contiguous().view(ScalarType.Int).add(new Scalar(1 << 21));
    var power = bits.bitwise_and(new Scalar(0xFF << 23)).view(ScalarType.Float);
    return power.mul(scalar(Math.scalb(1f, -Math.getExponent(element.reach()))));
  }

  private static Tensor scaled(Tensor x, Tensor scale, ElementType element) {
    var positive = scale.clamp_min(scalar(SMALLEST_SCALE));
    return round(x.div(positive), element).mul(positive);
  }

  /** To the nearest value of the type, ties to even, saturating. */
  static Tensor round(Tensor x, ElementType element) {
    return switch (element) {
      case IntegerType integers -> clamp(x.round(), integers.min(), integers.max());
      case FloatType type -> {
        var inside = clamp(x, -type.reach(), type.reach());
        yield switch (type) {
          case E4M3 -> inside.to(ScalarType.Float8_e4m3fn).to(ScalarType.Float);
          case E5M2 -> inside.to(ScalarType.Float8_e5m2).to(ScalarType.Float);
          case E2M1 -> {
            // Steps of 0.5 below 2, of 1 below 4, of 2 above.
            var magnitude = inside.abs();
            var step =
                torch
                    .where(magnitude.lt(scalar(2)), scalar(0.5f), scalar(1))
                    .mul(torch.where(magnitude.lt(scalar(4)), scalar(1), scalar(2)));
            yield inside.div(step).round().mul(step);
          }
        };
      }
    };
  }

  private static Tensor clamp(Tensor x, float low, float high) {
    return x.clamp(new ScalarOptional(scalar(low)), new ScalarOptional(scalar(high)));
  }

  private static Scalar scalar(float value) {
    return new Scalar(value);
  }
}

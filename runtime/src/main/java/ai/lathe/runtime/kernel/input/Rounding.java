package ai.lathe.runtime.kernel.input;

import ai.lathe.tensor.Activations;
import ai.lathe.tensor.ElementType;
import ai.lathe.tensor.FloatType;
import ai.lathe.tensor.GroupScale;
import ai.lathe.tensor.IntegerType;
import ai.lathe.tensor.LatheException;

/**
 * {@link Activations} executed: every value is replaced by the one that its code and scale stand
 * for, in float32.
 *
 * @param inputScale the weight's; 0 where the activations need none, so that equal ones are equal
 */
record Rounding(Activations activations, float inputScale) implements InputChange {

  /** An input of zeros keeps some scale; which one does not matter. */
  private static final float SMALLEST_SCALE = Float.MIN_NORMAL;

  static Rounding of(Activations activations, float inputScale, int columns) {
    if (activations.calibrated() && !(inputScale > 0 && inputScale < Float.POSITIVE_INFINITY)) {
      throw new LatheException(
          "a layer whose input is rounded to %s needs a positive scale for it, not %s"
              .formatted(activations.label(), inputScale));
    }
    if (activations instanceof Activations.PerGroup(_, int size, _) && columns % size != 0) {
      throw new LatheException(
          "groups of %d do not divide an input of %d".formatted(size, columns));
    }
    return new Rounding(activations, activations.calibrated() ? inputScale : 0);
  }

  @Override
  public String label() {
    return "rounded: " + activations.label();
  }

  @Override
  public void apply(float[] x, int columns) {
    switch (activations) {
      case Activations.None() -> {}
      case Activations.PerToken(var element) -> {
        float scale = largest(x, 0, columns) / element.reach();
        round(x, 0, columns, Math.max(scale, SMALLEST_SCALE), element);
      }
      case Activations.PerTensor(var element) -> round(x, 0, columns, inputScale, element);
      case Activations.PerGroup(var element, int size, var kind) -> {
        for (int at = 0; at < columns; at += size) {
          float scale = scale(largest(x, at, size), element, kind);
          round(x, at, size, Math.max(scale, SMALLEST_SCALE), element);
        }
      }
    }
  }

  /** NaN where there is one. */
  private static float largest(float[] x, int at, int count) {
    float largest = 0;
    for (int i = at; i < at + count; i++) {
      largest = Math.max(largest, Math.abs(x[i]));
    }
    return largest;
  }

  private float scale(float largest, ElementType element, GroupScale kind) {
    return switch (kind) {
      case FLOAT -> largest / element.reach();
      case E8M0 -> powerOfTwo(largest, element);
      case E4M3_GLOBAL -> FloatType.E4M3.round(largest / element.reach() * inputScale) / inputScale;
    };
  }

  /**
   * The largest power of two not above the largest value, or the next one from 7/4 of it on,
   * brought to the type's highest binade: compressed-tensors' rule for MX scales. Adding a quarter
   * to a float's mantissa carries into its exponent from 7/4 on.
   */
  private static float powerOfTwo(float largest, ElementType element) {
    int bits = Float.floatToRawIntBits(largest) + (1 << 21) & 0xFF << 23;
    return Float.intBitsToFloat(bits) * Math.scalb(1f, -Math.getExponent(element.reach()));
  }

  /** To the nearest multiple of the scale that the type has, ties to even, saturating. */
  private static void round(float[] x, int at, int count, float scale, ElementType element) {
    switch (element) {
      case IntegerType integers -> {
        float low = integers.min();
        float high = integers.max();
        for (int i = at; i < at + count; i++) {
          float code = (float) Math.rint(x[i] / scale);
          x[i] = Math.min(Math.max(code, low), high) * scale;
        }
      }
      case FloatType type -> {
        for (int i = at; i < at + count; i++) {
          x[i] = type.round(x[i] / scale) * scale;
        }
      }
    }
  }
}

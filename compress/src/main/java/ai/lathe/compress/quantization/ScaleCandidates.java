package ai.lathe.compress.quantization;

import ai.lathe.tensor.DType;
import ai.lathe.tensor.FloatScheme;
import ai.lathe.tensor.FloatType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Tensor;

/**
 * The scales that a tile of a {@link FloatGrid} may be given, each one that can be stored.
 *
 * <p>Numbers of a floating type lie denser below a power of two than above it, so an error falls
 * not only where outliers are cut off but also where a larger scale moves the bulk of the weights:
 * for normally distributed weights the best of one octave above {@code max|w| / reach} has 11 %
 * less squared error in FP8 than that scale itself, and cutting off alone 4 to 5 %; in E2M1 groups
 * of 32 both ways together 22 %, cutting off alone 15 %.
 */
sealed interface ScaleCandidates {

  /** By which factors of two a plain scale is tried, sixteenths of an octave. */
  int STEPS = 16;

  /** The scale that brings the largest magnitude to the end of the type's range. */
  float usual(float largest, float global);

  /** That one and its neighbours. */
  float[] around(float largest, float global);

  static ScaleCandidates of(FloatScheme scheme, DType plain) {
    return switch (scheme.scale()) {
      case FLOAT -> new Plain(scheme.type(), plain);
      case E8M0 -> new PowersOfTwo(scheme.type());
      case E4M3_GLOBAL -> new E4M3(scheme.type());
    };
  }

  /** Any number that the type of scales has. */
  record Plain(FloatType type, DType scaleType) implements ScaleCandidates {

    public Plain {
      if (scaleType != DType.F16 && scaleType != DType.BF16 && scaleType != DType.F32) {
        throw new LatheException("scales are stored as F16, BF16 or F32, not " + scaleType);
      }
    }

    @Override
    public float usual(float largest, float global) {
      return stored(largest / type.reach());
    }

    @Override
    public float[] around(float largest, float global) {
      // Eight bits lose more by cutting off than they gain.
      int down = type.bits() == 4 ? STEPS * 5 / 8 : 0;
      var scales = new float[down + STEPS + 1];
      for (int i = 0; i < scales.length; i++) {
        double factor = Math.pow(2, (i - down) / (double) STEPS);
        scales[i] = stored((float) (largest / type.reach() * factor));
      }
      return scales;
    }

    /** The nearest positive number of the type. */
    private float stored(float scale) {
      return switch (scaleType) {
        case F16 -> Float.float16ToFloat(Float.floatToFloat16(Math.clamp(scale, 0x1p-24f, 65504f)));
        case BF16 ->
            Float.intBitsToFloat(
                Tensor.floatToBFloat16(Math.clamp(scale, Float.MIN_NORMAL, 0x1.FEp127f)) << 16);
        default -> Math.clamp(scale, Float.MIN_NORMAL, Float.MAX_VALUE);
      };
    }
  }

  /**
   * Powers of two. FP-Quant multiplies them by a constant 4/3, so that nothing is cut off; a byte
   * of exponent has no room for it, and compressed-tensors drops it where it is given one. The
   * search makes up for that: it finds the exponent with the least error.
   */
  record PowersOfTwo(FloatType type) implements ScaleCandidates {

    @Override
    public float usual(float largest, float global) {
      // From 7/4 of a power of two on, the next one: a carry into the exponent.
      int exponent =
          Math.getExponent(Float.intBitsToFloat(Float.floatToRawIntBits(largest) + (1 << 21)));
      return power(exponent - Math.getExponent(type.reach()));
    }

    @Override
    public float[] around(float largest, float global) {
      int exponent = Math.getExponent(usual(largest, global));
      return new float[] {power(exponent), power(exponent - 1), power(exponent + 1)};
    }

    private static float power(int exponent) {
      return Math.scalb(1f, Math.clamp(exponent, Float.MIN_EXPONENT, Float.MAX_EXPONENT));
    }
  }

  /** Positive numbers of E4M3, all of them from 5/8 of an octave below to one above. */
  record E4M3(FloatType type) implements ScaleCandidates {

    @Override
    public float usual(float largest, float global) {
      return FloatType.E4M3.decode(code(global * (largest / type.reach())));
    }

    @Override
    public float[] around(float largest, float global) {
      float exact = global * (largest / type.reach());
      int first = code(exact * 0.65f);
      int last = code(exact * 2);
      var scales = new float[last - first + 1];
      for (int i = 0; i < scales.length; i++) {
        scales[i] = FloatType.E4M3.decode((byte) (first + i));
      }
      return scales;
    }

    private static byte code(float scale) {
      return (byte) Math.max(1, FloatType.E4M3.encode(scale));
    }
  }
}

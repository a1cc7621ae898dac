package ai.lathe.tensor;

/**
 * How the input of a linear layer is rounded where the layer is executed. All scales are symmetric:
 * the largest magnitude over {@link ElementType#reach}. A scale that is not taken from the input
 * itself is stored with the weight ({@link LinearWeight#inputScale}).
 */
public sealed interface Activations {

  /** Left in floating point. */
  Activations NONE = new None();

  /** Int8 with a scale for each token: W8A8. */
  Activations INT8_TOKEN = new PerToken(IntegerType.INT8);

  /** E4M3 with a scale for each token: FP8_DYNAMIC. */
  Activations FP8_TOKEN = new PerToken(FloatType.E4M3);

  /** E4M3 with one scale from calibration: FP8. */
  Activations FP8_TENSOR = new PerTensor(FloatType.E4M3);

  /** E2M1 in groups of 32 with a power of two each. */
  Activations MXFP4 = new PerGroup(FloatType.E2M1, 32, GroupScale.E8M0);

  /** E4M3 in groups of 32 with a power of two each. */
  Activations MXFP8 = new PerGroup(FloatType.E4M3, 32, GroupScale.E8M0);

  /** E2M1 in groups of 16, their scales E4M3 under one from calibration. */
  Activations NVFP4 = new PerGroup(FloatType.E2M1, 16, GroupScale.E4M3_GLOBAL);

  /** For tables: empty for none, {@code A int8}. */
  String label();

  /** Whether {@link LinearWeight#inputScale} is needed, which calibration finds. */
  default boolean calibrated() {
    return false;
  }

  /**
   * The {@link LinearWeight#inputScale} for inputs of this largest magnitude: {@code largest /
   * reach} for a scale of the tensor; {@code 448 * 6 / largest}, which divides, for the global one
   * of NVFP4. 1 for inputs that were never anything but zero.
   */
  default float inputScale(float largest) {
    return Float.NaN;
  }

  /** See {@link #NONE}. */
  record None() implements Activations {
    @Override
    public String label() {
      return "";
    }
  }

  /** A scale for each token, taken from the token itself. */
  record PerToken(ElementType element) implements Activations {
    @Override
    public String label() {
      return "A " + element.label();
    }
  }

  /** One scale for all tokens, found by calibration. */
  record PerTensor(ElementType element) implements Activations {
    @Override
    public String label() {
      return "A " + element.label() + " static";
    }

    @Override
    public boolean calibrated() {
      return true;
    }

    @Override
    public float inputScale(float largest) {
      return largest == 0
          ? 1
          : Math.clamp(largest / element.reach(), Float.MIN_NORMAL, Float.MAX_VALUE);
    }
  }

  /**
   * A scale for each group of consecutive inputs of a token, taken from the group itself.
   *
   * @param size inputs of a group
   */
  record PerGroup(ElementType element, int size, GroupScale scale) implements Activations {

    public PerGroup {
      if (size < 1) {
        throw new LatheException("a group has at least one input, not " + size);
      }
    }

    @Override
    public String label() {
      return "A " + element.label() + " g" + size;
    }

    @Override
    public boolean calibrated() {
      return scale == GroupScale.E4M3_GLOBAL;
    }

    @Override
    public float inputScale(float largest) {
      if (!calibrated()) {
        return Float.NaN;
      }
      return largest == 0
          ? 1
          : Math.clamp(
              FloatType.E4M3.reach() * element.reach() / largest,
              Float.MIN_NORMAL,
              Float.MAX_VALUE);
    }
  }
}

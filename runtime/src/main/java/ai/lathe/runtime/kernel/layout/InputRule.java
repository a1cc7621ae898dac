package ai.lathe.runtime.kernel.layout;

import ai.lathe.tensor.Activations;
import ai.lathe.tensor.IntegerType;
import ai.lathe.tensor.LinearWeight;
import java.nio.IntBuffer;
import java.util.Optional;

/**
 * How float32 inputs become {@link Int8Input}. Weights with equal rules share their inputs.
 *
 * @param codes their range
 * @param fixed the scale for {@link Scales#FIXED}; else NaN
 * @param order see {@link Stripes#order}; null for none
 */
public record InputRule(Scales scales, IntegerType codes, float fixed, IntBuffer order) {

  /** Where an input's scale comes from. */
  public enum Scales {
    /**
     * {@code a = max|x| / 127} of each block of 32, codes {@code rint(x * (127 / max|x|))}. A block
     * with {@code max|x|} below {@link #LEAST} counts as zeros, with scale 0.
     */
    BLOCKS,
    /**
     * {@code a = max|x| / reach} of each token, at least the smallest normal number; codes {@code
     * rint(x / a)}, cut to their range.
     */
    TOKEN,
    /** Found by calibration; codes as for {@link #TOKEN}. */
    FIXED
  }

  /** Below it a block counts as zeros: the inverse of its scale could overflow. */
  public static final float LEAST = 0x1p-100f;

  /** Largest code of blocks. */
  public static final int LARGEST = 127;

  private static final InputRule BLOCKS =
      new InputRule(Scales.BLOCKS, IntegerType.INT8, Float.NaN, null);

  /**
   * The rule of a weight; empty where its activations are rounded to other than integers.
   *
   * @param order see {@link Stripes#order}
   */
  public static Optional<InputRule> of(LinearWeight weight, int[] order) {
    var wrapped = order == null ? null : IntBuffer.wrap(order);
    return switch (weight.activations()) {
      case Activations.None() -> Optional.of(blocks(wrapped));
      case Activations.PerToken(IntegerType codes) ->
          Optional.of(new InputRule(Scales.TOKEN, codes, Float.NaN, wrapped));
      case Activations.PerTensor(IntegerType codes) ->
          Optional.of(new InputRule(Scales.FIXED, codes, weight.inputScale(), wrapped));
      default -> Optional.empty();
    };
  }

  /** Blocks of 32 in int8, whatever the weight says of its activations. */
  public static InputRule blocks(IntBuffer order) {
    return order == null
        ? BLOCKS
        : new InputRule(Scales.BLOCKS, IntegerType.INT8, Float.NaN, order);
  }

  /** For people, for example {@code int8 in blocks of 32}. */
  public String label() {
    return codes.label()
        + switch (scales) {
          case BLOCKS -> " in blocks of " + Int8Input.BLOCK;
          case TOKEN -> " by token";
          case FIXED -> " by calibration";
        }
        + (order == null ? "" : ", reordered");
  }
}

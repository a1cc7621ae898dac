package ai.lathe.compress.quantization;

import ai.lathe.tensor.Encoding;
import java.util.Optional;

/**
 * The values that the weights of a layer may take once quantized, and how they are stored. Weights
 * of a row are divided into groups that share parameters (a scale, a zero point, or whatever a
 * block holds).
 */
public interface Grid {

  /** How the result is stored; tells its exact size. */
  Encoding encoding();

  /** Why a row of this many inputs cannot be stored so, in one sentence; empty where it can. */
  Optional<String> refusal(int columns);

  /** Weights of a row whose parameters are fitted together; divides {@code columns}. */
  int groupSize(int columns);

  /** Whether a group may consist of inputs that are not neighbours. */
  boolean anyGroups();

  /** Whether fitting looks at the importance that {@link #quantizer} is given. */
  default boolean weighsErrors() {
    return false;
  }

  /**
   * Begins the quantization of a {@code [rows, columns]} matrix.
   *
   * @param groupIndex the group of each input, {@code [columns]}; null for consecutive inputs,
   *     which is all that a grid without {@link #anyGroups} accepts
   * @param importance weight of each input's squared error, {@code [columns]}, in the order in
   *     which {@link Quantizer#fit} will see them; null where all count alike
   */
  Quantizer quantizer(int rows, int columns, int[] groupIndex, float[] importance);
}

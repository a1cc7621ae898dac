package ai.lathe.compress.quantization;

import ai.lathe.compress.layer.LayerSolver;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.tensor.Encoding;
import java.util.Map;
import java.util.Optional;

/**
 * A layer solver that quantizes onto a given grid. Built-in ones stand in {@link Quantizers};
 * others are found by {@link java.util.ServiceLoader}.
 *
 * @param <C> its config
 */
public interface QuantizationMethod<C extends SolverConfig> extends LayerSolver<C> {

  /** The short name, as {@code --method} takes it. */
  String name();

  /**
   * A level of compression. Settings that are not given have the method's defaults.
   *
   * @param settings by the name that recipes use, for example {@code dampening_frac}; a name or
   *     value that the method does not know is a {@link ai.lathe.tensor.LatheException}
   */
  C config(Grid grid, Map<String, ?> settings);

  /** The level as it is for a matrix of this shape, where something of it depends on that. */
  default C fitted(int rows, int columns, C config) {
    return config;
  }

  /**
   * Why a matrix of this shape cannot be compressed so, in one sentence; it is rounded to nearest
   * instead. Empty where it can.
   */
  default Optional<String> refusal(int rows, int columns, C config) {
    return Optional.empty();
  }

  /** How a level's result is stored. */
  default Encoding encoding(Grid grid, C config) {
    return grid.encoding();
  }

  /** How a level's result is stored, where that depends on the matrix. */
  default Encoding encoding(Grid grid, C config, int rows, int columns) {
    return encoding(grid, config);
  }
}

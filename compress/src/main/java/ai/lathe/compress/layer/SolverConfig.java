package ai.lathe.compress.layer;

import java.util.Optional;

/**
 * Settings of one level of a {@link LayerSolver}. Implementations are records, so that they print,
 * compare and hash as what they are.
 */
public interface SolverConfig {

  /** Whether inputs are taken in another order than they are stored in, which files record. */
  default boolean ordersColumns() {
    return false;
  }

  /** Whether solutions shift the layer's bias, for which files must then have a place. */
  default boolean shiftsBias() {
    return false;
  }

  /** The level that this one adds to; empty where it stands by itself. */
  default Optional<Level<?>> base() {
    return Optional.empty();
  }

  /** How its scales are tuned together with those of all other layers; empty where they are not. */
  default Optional<EndToEnd> endToEnd() {
    return Optional.empty();
  }
}

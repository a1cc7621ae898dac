package ai.lathe.compress.layer;

/**
 * Settings of one level of a {@link LayerSolver}. Implementations are records, so that they print,
 * compare and hash as what they are.
 */
public interface SolverConfig {

  /** Whether inputs are taken in another order than they are stored in, which files record. */
  default boolean ordersColumns() {
    return false;
  }
}

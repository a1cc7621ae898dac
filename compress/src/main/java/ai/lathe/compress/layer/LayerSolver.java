package ai.lathe.compress.layer;

import java.util.List;
import java.util.Set;

/**
 * A method that compresses one linear layer at a time. One config record, one implementation.
 *
 * @param <C> its config: everything that a level of compression is
 */
public interface LayerSolver<C extends SolverConfig> {

  /** What must be collected for it; calibration collects nothing else. */
  Set<Statistic> requires();

  /** What must be collected for a level of this configuration; where that differs. */
  default Set<Statistic> requires(C config) {
    return requires();
  }

  /**
   * Compresses a layer to every level asked for, one solution a level in the same order. All levels
   * come in one call so that what they share (a factorisation of the Gram matrix, a sort of the
   * weights) is computed once.
   */
  List<Solution> solve(Layer layer, LayerStatistics statistics, List<C> levels);
}

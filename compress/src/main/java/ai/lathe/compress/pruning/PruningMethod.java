package ai.lathe.compress.pruning;

import ai.lathe.compress.layer.LayerSolver;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.tensor.Encoding;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A layer solver that makes weights zero. Built-in ones stand in {@link Pruners}; others are found
 * by {@link java.util.ServiceLoader}.
 *
 * <p>The number of weights that stay follows from shape and configuration alone, because headers
 * are written before data: one that is zero by itself may be among them.
 *
 * @param <C> its config
 */
public interface PruningMethod<C extends SolverConfig> extends LayerSolver<C> {

  /** The short name, as {@code --prune} takes it. */
  String name();

  /**
   * A level of compression. Settings that are not given have the method's defaults.
   *
   * @param kept how the weights that stay are stored
   * @param settings by the name that recipes use, for example {@code dampening_frac}; a name or
   *     value that the method does not know is a {@link ai.lathe.tensor.LatheException}
   */
  C config(Sparsity sparsity, Kept kept, Map<String, ?> settings);

  /**
   * The share of zeros of each matrix, before any of them is pruned; each is then asked for with
   * its own.
   *
   * @param matrices that are pruned together
   * @param sparsity of all of them
   * @param config made with it
   */
  default List<Double> shares(List<Candidate> matrices, Sparsity sparsity, C config) {
    return Collections.nCopies(matrices.size(), sparsity.share());
  }

  /**
   * Why a matrix of this shape cannot be pruned so, in half a sentence; it is left dense instead.
   * Empty where it can.
   */
  Optional<String> refusal(int rows, int columns, C config);

  /** How a level's result is stored: usually {@link Encoding.Sparse} with its exact zeros. */
  Encoding encoding(C config, int rows, int columns);
}

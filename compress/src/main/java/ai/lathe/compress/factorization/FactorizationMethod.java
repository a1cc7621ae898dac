package ai.lathe.compress.factorization;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerSolver;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.tensor.Encoding;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A layer solver that replaces a weight by a product of matrices with fewer parameters. Built-in
 * ones stand in {@link Factorizations}; others are found by {@link java.util.ServiceLoader}.
 *
 * @param <C> its config
 */
public interface FactorizationMethod<C extends SolverConfig> extends LayerSolver<C> {

  /** The short name, as {@code --factorize} takes it. */
  String name();

  /**
   * A level of compression. Settings that are not given have the method's defaults.
   *
   * @param removed share of the parameters that are saved, see {@link Removal}
   * @param factors how the factors are stored
   * @param settings by the name that recipes use; a name or value that the method does not know is
   *     a {@link ai.lathe.tensor.LatheException}
   */
  C config(Removal removed, Factors factors, Map<String, ?> settings);

  /**
   * Why a matrix of this shape cannot be factorized so, in half a sentence; it is left as it is
   * instead. Empty where it can.
   */
  Optional<String> refusal(int rows, int columns, C config);

  /** The same level where files have no place for the biases that it would shift. */
  default C withoutBias(C config) {
    return config;
  }

  /** How a level's result is stored: usually {@link Encoding.Product}. */
  Encoding encoding(C config, int rows, int columns);

  /**
   * How a removal is spread over layers where nobody says: {@link RemovalKnapsack#UNIFORM}, or what
   * the method itself does.
   */
  default String allocator() {
    return RemovalKnapsack.UNIFORM;
  }

  /**
   * Settings between which an allocation over layers may choose at one removal, for example
   * ROCKET's ratios: the given ones where the method has no such choice, or the user made it.
   */
  default List<Map<String, Object>> alternatives(Map<String, Object> settings) {
    return List.of(settings);
  }

  /**
   * Neighbouring blocks whose matrices of one kind share a part of what is stored, 1 where each
   * stands for itself. Only a plan knows the others: see {@link #sharing}.
   */
  default int group(Map<String, ?> settings) {
    return 1;
  }

  /**
   * A level of a matrix that shares with others of its shape.
   *
   * @param layers names of all, itself included, in order of their blocks; at least two
   * @param index of it
   */
  default C sharing(C config, List<String> layers, int index) {
    return config;
  }

  /**
   * What a layer loses at each of these levels. Methods that know it without making the levels say
   * so here.
   */
  default List<RelativeErrors> errors(Layer layer, LayerStatistics statistics, List<C> levels) {
    return solve(layer, statistics, levels).stream()
        .map(solution -> RelativeErrors.of(layer.weight(), solution.weight(), statistics))
        .toList();
  }
}

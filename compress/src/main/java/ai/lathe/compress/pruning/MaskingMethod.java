package ai.lathe.compress.pruning;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.Matrix;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * A pruner that chooses which weights become zero and changes no other: all that it has to say is
 * how much each weight counts.
 *
 * @param <C> its config
 */
public interface MaskingMethod<C extends MaskingMethod.Config> extends PruningMethod<C> {

  /** What the configs of these methods have in common. */
  interface Config extends SolverConfig {

    Sparsity sparsity();

    Kept kept();

    /** Among which weights those that count least are found; without meaning for n:m. */
    default Scope scope() {
      return Scope.LAYER;
    }
  }

  /** {@code [out, in]}; those of the least score become zero. */
  Matrix scores(Layer layer, LayerStatistics statistics, C config);

  @Override
  default Optional<String> refusal(int rows, int columns, C config) {
    return config.sparsity().pattern().refusal(rows, columns);
  }

  @Override
  default Encoding encoding(C config, int rows, int columns) {
    long zeros = Selection.zeros(rows, columns, config.sparsity(), config.scope());
    return config.kept().encoding(config.sparsity(), zeros, rows, columns);
  }

  @Override
  default Set<Statistic> requires() {
    return Set.of();
  }

  @Override
  default Set<Statistic> requires(C config) {
    var all = new HashSet<>(requires());
    all.addAll(config.kept().requires());
    return all;
  }

  @Override
  default List<Solution> solve(Layer layer, LayerStatistics statistics, List<C> levels) {
    layer.requireFinite();
    var pruned = new Pruned(layer, statistics);
    return levels.stream()
        .map(
            level -> {
              var scores = scores(layer, statistics, level);
              var mask = Selection.keepGreatest(scores, level.sparsity(), level.scope());
              return pruned.solution(mask, level.sparsity().pattern(), level.kept());
            })
        .toList();
  }
}

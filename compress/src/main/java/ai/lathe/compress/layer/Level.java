package ai.lathe.compress.layer;

import java.util.List;
import java.util.Set;

/** A solver with one of its configurations: all that it takes to compress a layer. */
public record Level<C extends SolverConfig>(LayerSolver<C> solver, C config) {

  public Set<Statistic> requires() {
    return solver.requires(config);
  }

  /** What compresses the layer, without what is added to it. */
  public Level<?> root() {
    return config.base().<Level<?>>map(Level::root).orElse(this);
  }

  public Solution solve(Layer layer, LayerStatistics statistics) {
    return solver.solve(layer, statistics, List.of(config)).getFirst();
  }
}

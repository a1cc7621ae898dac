package ai.lathe.compress.budget;

import ai.lathe.compress.allocation.LevelStore;
import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerSolver;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.model.Address;
import ai.lathe.tensor.LinearWeight;
import java.util.List;
import java.util.Set;

/** Hands out a layer as a level database holds it: it was solved when that was built. */
public record Stored(LevelStore store, Address address) implements LayerSolver<Stored.Config> {

  /**
   * @param level by the database's name
   * @param database a hash of its table, so that a run cannot go on with another
   */
  public record Config(String level, String database) implements SolverConfig {}

  @Override
  public Set<Statistic> requires() {
    return Set.of();
  }

  public LinearWeight weight(Config config) {
    return store.weight(address, config.level());
  }

  @Override
  public List<Solution> solve(Layer layer, LayerStatistics statistics, List<Config> levels) {
    return levels.stream().map(level -> new Solution(weight(level), List.of())).toList();
  }
}

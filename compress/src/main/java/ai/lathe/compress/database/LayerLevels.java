package ai.lathe.compress.database;

import ai.lathe.compress.allocation.Measure;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A layer with the levels that were made of it.
 *
 * @param name as in Hugging Face's layout
 */
record LayerLevels(String name, List<Made> levels) {

  LayerLevels {
    levels = List.copyOf(levels);
  }

  /**
   * A level of a layer.
   *
   * @param sameAs the level that is stored in its place, where a fallback makes both the same;
   *     empty where it is stored itself
   * @param sparsity share of zeros
   * @param seconds that its solver took, shared evenly by levels that were solved in one call
   * @param fallbacks what did not go as asked for, one sentence each
   */
  record Made(
      String level,
      String encoding,
      long bytes,
      Optional<String> sameAs,
      double sparsity,
      Map<Measure, Double> losses,
      double seconds,
      List<String> fallbacks) {

    Made {
      losses = Map.copyOf(losses);
      fallbacks = List.copyOf(fallbacks);
    }

    /** Under whose name its tensors are stored. */
    String stored() {
      return sameAs.orElse(level);
    }
  }

  Optional<Made> level(String level) {
    return levels.stream().filter(made -> made.level().equals(level)).findFirst();
  }

  /** With what was made later. */
  LayerLevels plus(LayerLevels later) {
    var all = new java.util.ArrayList<>(levels);
    all.addAll(later.levels);
    return new LayerLevels(name, all);
  }
}

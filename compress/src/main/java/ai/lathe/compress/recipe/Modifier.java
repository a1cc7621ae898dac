package ai.lathe.compress.recipe;

import ai.lathe.compress.quantization.ScaleSearch;
import ai.lathe.compress.transform.BlockTransform;
import ai.lathe.format.compressed.Selector;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** One step of a recipe. */
public sealed interface Modifier {

  /**
   * Rounds weights to a numeric format.
   *
   * @param method short name of the layer solver, for example {@code gptq}
   * @param groups tried in order; the first with a matching target gives a layer its scheme
   * @param ignore modules left as they are
   * @param search how ranges are chosen; empty for the usual way
   * @param settings of the method, by the names that recipes use; absent ones take its defaults
   */
  record Quantization(
      String method,
      List<Group> groups,
      List<Selector> ignore,
      Optional<ScaleSearch> search,
      Map<String, Object> settings)
      implements Modifier {

    /** The scheme of a module; empty where it is ignored or nobody's target. */
    public Optional<Scheme> scheme(String module, String moduleClass) {
      if (ignore.stream().anyMatch(selector -> selector.matches(module, moduleClass))) {
        return Optional.empty();
      }
      return groups.stream()
          .filter(
              group ->
                  group.targets().stream()
                      .anyMatch(selector -> selector.matches(module, moduleClass)))
          .map(Group::scheme)
          .findFirst();
    }
  }

  /** Makes every block easier to compress and leaves its function as it was. */
  record Transform(BlockTransform transform) implements Modifier {}

  /**
   * @param targets modules that get the scheme
   */
  record Group(List<Selector> targets, Scheme scheme) {}
}

package ai.lathe.compress.recipe;

import java.util.List;
import java.util.Optional;

/** One step of a recipe. */
public sealed interface Modifier {

  /**
   * Rounds weights to a numeric format.
   *
   * @param method short name of the layer solver, for example {@code gptq}
   * @param groups tried in order; the first with a matching target gives a layer its scheme
   * @param ignore modules left as they are
   * @param settings of the solver, by the recipe's own key names; absent ones take the method's
   *     defaults
   */
  record Quantization(String method, List<Group> groups, List<Selector> ignore, Settings settings)
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

  /**
   * @param targets modules that get the scheme
   */
  record Group(List<Selector> targets, Scheme scheme) {}

  /**
   * What a recipe may say about how weights are rounded; empty where it says nothing.
   *
   * @param columnOrder {@code none}, {@code static} or {@code group}
   * @param observer {@code minmax} or {@code mse}
   */
  record Settings(
      Optional<Integer> blockSize,
      Optional<Double> dampening,
      Optional<String> columnOrder,
      Optional<String> observer) {
    public static final Settings DEFAULTS =
        new Settings(Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty());
  }
}

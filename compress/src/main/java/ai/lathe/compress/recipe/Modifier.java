package ai.lathe.compress.recipe;

import ai.lathe.compress.factorization.Removal;
import ai.lathe.compress.factorization.RemovalKnapsack;
import ai.lathe.compress.pruning.Sparsity;
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

  /**
   * Makes weights of blocks zero. Beside a {@link Quantization} of the same module, the weights
   * that stay are rounded by that.
   *
   * @param method short name of the pruning method, for example {@code sparsegpt}
   * @param sparsities one for all blocks, or one for each
   * @param targets modules that are pruned
   * @param ignore modules left dense
   * @param settings of the method, by the names that recipes use; absent ones take its defaults
   */
  record Pruning(
      String method,
      List<Sparsity> sparsities,
      List<Selector> targets,
      List<Selector> ignore,
      Map<String, Object> settings)
      implements Modifier {

    /**
     * Whether a module is meant: by its name, its class, the name of its weight, or the name of a
     * module that it is part of.
     */
    public boolean prunes(String module, String moduleClass) {
      return ignore.stream().noneMatch(selector -> selector.matches(module, moduleClass))
          && targets.stream().anyMatch(selector -> means(selector, module, moduleClass));
    }

    private static boolean means(Selector selector, String module, String moduleClass) {
      if (!moduleClass.equals("Linear")) {
        return selector.matches(module, moduleClass);
      }
      for (int end = module.length(); end > 0; end = module.lastIndexOf('.', end - 1)) {
        if (selector.matches(module.substring(0, end), moduleClass)) {
          return true;
        }
      }
      return selector.matches(module + ".weight", moduleClass);
    }

    public Sparsity sparsity(int block) {
      return sparsities.get(sparsities.size() == 1 ? 0 : block);
    }
  }

  /**
   * Replaces weights of blocks by products of matrices with fewer parameters. Beside a {@link
   * Quantization} of the same module, the factors are stored in its codes.
   *
   * @param method short name of the factorization method, for example {@code svd-llm}
   * @param removed share that goes: of each matrix, or of all together
   * @param knapsack how it is spread over the matrices; empty for the same share of each
   * @param targets modules that are factorized
   * @param ignore modules left as they are
   * @param settings of the method, by the names that recipes use; absent ones take its defaults
   */
  record Factorization(
      String method,
      Removal removed,
      Optional<RemovalKnapsack> knapsack,
      List<Selector> targets,
      List<Selector> ignore,
      Map<String, Object> settings)
      implements Modifier {

    /** The same share of each matrix. */
    public Factorization(
        String method,
        Removal removed,
        List<Selector> targets,
        List<Selector> ignore,
        Map<String, Object> settings) {
      this(method, removed, Optional.empty(), targets, ignore, settings);
    }

    public boolean factorizes(String module, String moduleClass) {
      return ignore.stream().noneMatch(selector -> selector.matches(module, moduleClass))
          && targets.stream().anyMatch(selector -> selector.matches(module, moduleClass));
    }
  }

  /**
   * Puts a matrix of low rank beside what other modifiers compress in blocks, for what they lost.
   *
   * @param rank of it
   * @param bits of the codes that its two factors are stored in; empty for half precision
   * @param targets modules that get one
   * @param ignore modules that get none
   */
  record Compensation(
      ai.lathe.compress.compensation.Compensation.Method method,
      int rank,
      Optional<Integer> bits,
      List<Selector> targets,
      List<Selector> ignore)
      implements Modifier {

    public boolean compensates(String module, String moduleClass) {
      return ignore.stream().noneMatch(selector -> selector.matches(module, moduleClass))
          && targets.stream().anyMatch(selector -> selector.matches(module, moduleClass));
    }
  }

  /** Makes every block easier to compress and leaves its function as it was. */
  record Transform(BlockTransform transform) implements Modifier {}

  /**
   * @param targets modules that get the scheme
   */
  record Group(List<Selector> targets, Scheme scheme) {}
}

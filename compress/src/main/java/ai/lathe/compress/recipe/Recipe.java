package ai.lathe.compress.recipe;

import ai.lathe.compress.compensation.Compensation.Method;
import ai.lathe.compress.factorization.Removal;
import ai.lathe.compress.factorization.RemovalKnapsack;
import ai.lathe.compress.pruning.Sparsity;
import ai.lathe.compress.quantization.ScaleSearch;
import ai.lathe.compress.recipe.Modifier.Group;
import ai.lathe.format.compressed.Selector;
import ai.lathe.model.Address;
import ai.lathe.model.architecture.Architectures;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.architecture.Site;
import ai.lathe.tensor.BlockType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.block.BlockTypes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/** Modifiers in order. Immutable and printable: its text is part of a run's fingerprint. */
public record Recipe(List<Modifier> modifiers) {

  public Recipe {
    modifiers = List.copyOf(modifiers);
  }

  /**
   * One scheme for every linear layer but the head.
   *
   * @param method a quantizer or transform by name, or several in a row, see {@link Methods}
   * @param embeddings of the tables of vectors; empty leaves them as they are, as usual
   * @param settings of the method, by the names that recipes use
   */
  public static Recipe uniform(
      String method,
      Scheme scheme,
      Optional<Scheme> embeddings,
      Optional<ScaleSearch> search,
      Map<String, Object> settings) {
    var groups = new ArrayList<Group>();
    groups.add(new Group(List.of(selector("Linear")), scheme));
    embeddings.ifPresent(tables -> groups.add(new Group(List.of(selector("Embedding")), tables)));
    var ignore = named(Role.OUTPUT, Role.HEAD_TRANSFORM);
    return new Recipe(Methods.steps(method, List.copyOf(groups), ignore, search, settings));
  }

  /**
   * One type of GGUF for every matrix, as llama.cpp's own quantizer does it: a head of fewer than
   * six bits gets {@code Q6_K}, learned positions and token types stay as they are.
   */
  public static Recipe gguf(String method, BlockType type, Map<String, Object> settings) {
    var head = BlockTypes.Q6_K;
    boolean enough = type.bytes() * head.size() >= head.bytes() * type.size();
    var groups =
        List.of(
            new Group(named(Role.OUTPUT), new Scheme.Blocks(enough ? type : head)),
            new Group(List.of(selector("Linear"), selector("Embedding")), new Scheme.Blocks(type)));
    var ignore = named(Role.POSITION_EMBEDDING, Role.TOKEN_TYPE_EMBEDDING);
    return new Recipe(Methods.steps(method, groups, ignore, Optional.empty(), settings));
  }

  /**
   * A preset scheme for every linear layer but the head.
   *
   * @param groupSize instead of the preset's
   */
  public static Recipe preset(String method, String preset, Optional<Integer> groupSize) {
    var named = Schemes.named(preset);
    var scheme = groupSize.map(named::withGroupSize).orElse(named);
    return uniform(method, scheme, Optional.empty(), Optional.empty(), Map.of());
  }

  /**
   * Every linear layer of the blocks pruned alike.
   *
   * @param method a pruning method by name
   * @param settings of the method, by the names that recipes use
   */
  public static Recipe pruning(String method, Sparsity sparsity, Map<String, Object> settings) {
    if (!Methods.pruning().contains(method)) {
      throw LatheException.unknown("pruning method", method, Methods.pruning());
    }
    var targets = List.of(selector("Linear"));
    return new Recipe(
        List.of(new Modifier.Pruning(method, List.of(sparsity), targets, List.of(), settings)));
  }

  /**
   * Every linear layer of the blocks factorized alike, or the blocks made narrower.
   *
   * @param method a factorization method by name
   * @param settings of the method, by the names that recipes use
   */
  public static Recipe factorization(String method, Removal removed, Map<String, Object> settings) {
    return factorization(method, removed, Optional.empty(), settings);
  }

  /**
   * Every linear layer of the blocks factorized by one method.
   *
   * @param method a factorization method by name
   * @param knapsack spreads what is removed over the layers; empty for the same share of each
   * @param settings of the method, by the names that recipes use
   */
  public static Recipe factorization(
      String method,
      Removal removed,
      Optional<RemovalKnapsack> knapsack,
      Map<String, Object> settings) {
    if (!Methods.factorizations().contains(method)) {
      throw LatheException.unknown("factorization", method, Methods.factorizations());
    }
    var targets = List.of(selector("Linear"));
    return new Recipe(
        List.of(
            new Modifier.Factorization(method, removed, knapsack, targets, List.of(), settings)));
  }

  /**
   * What the linear layers of the blocks lose is given back by matrices of one rank.
   *
   * @param bits of the codes that their factors are stored in; empty for half precision
   */
  public static Recipe compensation(Method method, int rank, Optional<Integer> bits) {
    var targets = List.of(selector("Linear"));
    return new Recipe(List.of(new Modifier.Compensation(method, rank, bits, targets, List.of())));
  }

  /** The steps of this, then those of another. */
  public Recipe then(Recipe next) {
    return new Recipe(
        Stream.of(this, next).flatMap(recipe -> recipe.modifiers().stream()).toList());
  }

  /** What architectures call modules outside their blocks. */
  private static List<Selector> named(Role... roles) {
    return Arrays.stream(roles)
        .flatMap(
            role ->
                Architectures.ALL.stream()
                    .filter(a -> a.has(role))
                    .map(a -> a.moduleName(Address.OUTSIDE, Site.NO_EXPERT, role)))
        .distinct()
        .map(Recipe::selector)
        .toList();
  }

  private static Selector selector(String text) {
    return Selector.of(text, "recipe");
  }
}

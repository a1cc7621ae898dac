package ai.lathe.compress.recipe;

import static ai.lathe.compress.recipe.RecipeReader.expect;

import ai.lathe.compress.pruning.Armor;
import ai.lathe.compress.pruning.Constant;
import ai.lathe.compress.pruning.Gqsa;
import ai.lathe.compress.pruning.Slim;
import ai.lathe.compress.pruning.Sparsity;
import ai.lathe.compress.pruning.fisher.GlobalMethods;
import ai.lathe.compress.recipe.Modifier.Pruning;
import ai.lathe.format.compressed.Selector;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Pattern;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/** The pruning modifiers of llm-compressor and SparseML. */
final class PruningReader {

  /**
   * Modifier class to method.
   *
   * @param settings keys that are settings of the method, by name
   */
  record Kind(String method, Map<String, String> settings) {}

  static final Map<String, Kind> KINDS =
      Map.of(
          "SparseGPTModifier",
          new Kind("sparsegpt", same("block_size", "dampening_frac", "preserve_sparsity_mask")),
          "WandaPruningModifier",
          new Kind("wanda", Map.of()),
          "MagnitudePruningModifier",
          new Kind("magnitude", Map.of()),
          "ConstantPruningModifier",
          new Kind(Constant.NAME, Map.of()),
          "SLiMModifier",
          new Kind("slim", same(Slim.SETTINGS.toArray(String[]::new))),
          "GQSAModifier",
          new Kind("gqsa", same(Gqsa.SETTINGS.toArray(String[]::new))),
          "ARMORModifier",
          new Kind("armor", same(Armor.SETTINGS.toArray(String[]::new))),
          "OBSPruningModifier",
          new Kind("obert", same(GlobalMethods.keys().toArray(String[]::new))));

  /** About where and how much; every modifier has them. */
  private static final Set<String> COMMON =
      Set.of(
          "targets",
          "ignore",
          "sparsity",
          "final_sparsity",
          "mask_structure",
          "mask_type",
          "apply_globally",
          "global_sparsity");

  /** About pruning while training; here it is done at once. */
  private static final Set<String> OF_TRAINING =
      Set.of(
          "start",
          "end",
          "update",
          "start_epoch",
          "end_epoch",
          "update_frequency",
          "update_scheduler",
          "scheduler_args",
          "init_sparsity",
          "inter_func",
          "leave_enabled");

  /** Sparsities that follow from outliers, which are not computed here. */
  private static final Set<String> OWL = Set.of("sparsity_profile", "owl_m", "owl_lmbda");

  private PruningReader() {}

  private static Map<String, String> same(String... names) {
    var settings = new TreeMap<String, String>();
    for (var name : names) {
      settings.put(name, name);
    }
    return settings;
  }

  static Pruning read(String name, JsonNode node) {
    var kind = KINDS.get(name);
    var known = new TreeSet<>(COMMON);
    known.addAll(kind.settings().keySet());
    for (var entry : node.properties()) {
      var key = entry.getKey();
      expect(
          !OWL.contains(key) || entry.getValue().isNull(),
          "%s.%s: sparsities are not derived from outliers here; give 'sparsity' as a list with one for each block"
              .formatted(name, key));
      if (!known.contains(key)
          && !OF_TRAINING.contains(key)
          && !OWL.contains(key)
          && !RecipeReader.WITHOUT_MEANING.contains(key)) {
        throw LatheException.unknown("key of " + name, key, known);
      }
    }
    var settings = new TreeMap<String, Object>();
    kind.settings()
        .forEach(
            (key, setting) ->
                RecipeReader.text(node, key).ifPresent(v -> settings.put(setting, v)));
    scope(name, node).ifPresent(scope -> settings.put("scope", scope));
    return new Pruning(
        kind.method(),
        sparsities(name, kind, node),
        targets(name, node),
        RecipeReader.selectors(node.path("ignore"), name + ".ignore", List.of()),
        settings);
  }

  private static List<Selector> targets(String name, JsonNode node) {
    var targets = node.path("targets");
    boolean all =
        targets.isTextual() && targets.textValue().startsWith("__ALL")
            || targets.size() == 1 && targets.path(0).asText().startsWith("__ALL");
    return all
        ? RecipeReader.selectors(node.path("none"), name, List.of("Linear"))
        : RecipeReader.selectors(targets, name + ".targets", List.of("Linear"));
  }

  /** Sparsities of all matrices together, as two generations of recipes say it. */
  private static Optional<String> scope(String name, JsonNode node) {
    var given =
        RecipeReader.text(node, "apply_globally")
            .or(() -> RecipeReader.text(node, "global_sparsity"));
    return given.map(
        flag ->
            switch (flag) {
              case "true" -> "global";
              case "false" -> "layer";
              default ->
                  throw new LatheException(
                      "%s: apply_globally is true or false, not '%s'".formatted(name, flag));
            });
  }

  /** One, or one for each block. */
  private static List<Sparsity> sparsities(String name, Kind kind, JsonNode node) {
    var pattern = pattern(name, node);
    var given = node.has("sparsity") ? node.path("sparsity") : node.path("final_sparsity");
    if (kind.method().equals(Constant.NAME)) {
      return List.of(
          pattern instanceof Pattern.SemiStructured
              ? Sparsity.of(Optional.empty(), pattern)
              : new Sparsity(0, pattern));
    }
    if (!given.isArray()) {
      return List.of(sparsity(name, given, pattern));
    }
    var all = new ArrayList<Sparsity>();
    given.forEach(each -> all.add(sparsity(name, each, pattern)));
    expect(!all.isEmpty(), name + ".sparsity is a number, or a list with one for each block");
    return List.copyOf(all);
  }

  private static Sparsity sparsity(String name, JsonNode node, Pattern pattern) {
    boolean missing = node.isMissingNode() || node.isNull();
    expect(
        missing || node.isNumber(),
        name + ".sparsity is a number, or a list with one for each block");
    // llm-compressor ignores the share beside n:m; here it must at least not contradict it.
    return Sparsity.of(missing ? Optional.empty() : Optional.of(node.doubleValue()), pattern);
  }

  /** llm-compressor's n:m makes n of every m zero, and 0:0 is any pattern. */
  private static Pattern pattern(String name, JsonNode node) {
    var text =
        RecipeReader.text(node, "mask_structure")
            .or(() -> RecipeReader.text(node, "mask_type"))
            .orElse("unstructured");
    if (text.equals("0:0")) {
      return Pattern.UNSTRUCTURED;
    }
    if (text.equals("block4")) {
      return new Pattern.Blocks(1, 4);
    }
    try {
      return Pattern.parse(text) instanceof Pattern.SemiStructured(int zero, int of)
          ? new Pattern.SemiStructured(of - zero, of)
          : Pattern.parse(text);
    } catch (LatheException e) {
      throw new LatheException(name + ".mask_structure: " + e.getMessage(), e);
    }
  }
}

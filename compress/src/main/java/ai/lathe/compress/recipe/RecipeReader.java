package ai.lathe.compress.recipe;

import ai.lathe.compress.quantization.AdaQuant;
import ai.lathe.compress.quantization.Aqlm;
import ai.lathe.compress.quantization.BitStack;
import ai.lathe.compress.quantization.Gsq;
import ai.lathe.compress.quantization.ScaleSearch;
import ai.lathe.compress.quantization.SpQr;
import ai.lathe.compress.quantization.Vptq;
import ai.lathe.compress.recipe.Modifier.Group;
import ai.lathe.compress.recipe.Modifier.Quantization;
import ai.lathe.compress.recipe.Modifier.Transform;
import ai.lathe.format.compressed.Selector;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Reads llm-compressor's recipe YAML. Stages ({@code quant_stage}) and modifier lists ({@code
 * quant_modifiers}) may wrap the modifiers or be left out. Whatever is not understood is an error
 * that names the nearest known key: a setting is never dropped in silence.
 */
public final class RecipeReader {

  /** Modifier class to method, with the keys that only this modifier has. */
  private static final Map<String, Kind> KINDS =
      Map.of(
          "QuantizationModifier", new Kind("rtn", Set.of("importance")),
          "GPTQModifier", new Kind("gptq", Set.of("block_size", "dampening_frac", "actorder")),
          "MRGPTQModifier",
              new Kind(
                  "mr-gptq",
                  Set.of("block_size", "dampening_frac", "actorder", "transform_block_size")),
          "AdaQuantModifier", new Kind("adaquant", Set.copyOf(AdaQuant.SETTINGS)),
          "GSQModifier", new Kind("gsq", Set.copyOf(Gsq.SETTINGS)),
          "SpQRModifier", new Kind("spqr", Set.copyOf(SpQr.SETTINGS)),
          "BitStackModifier", new Kind("bitstack", Set.copyOf(BitStack.SETTINGS)),
          "VPTQModifier", new Kind("vptq", Set.copyOf(Vptq.SETTINGS)),
          "AQLMModifier", new Kind("aqlm", Set.copyOf(Aqlm.SETTINGS)));

  private static final Set<String> QUANTIZATION_KEYS =
      Set.of("targets", "ignore", "scheme", "config_groups", "observer", "kv_cache_scheme");

  /**
   * About how llm-compressor spends memory and in which order it visits modules; neither is a
   * choice here.
   */
  static final Set<String> WITHOUT_MEANING =
      Set.of(
          "offload_hessians",
          "sequential_targets",
          "sequential_update",
          "bypass_divisibility_checks");

  private static final YAMLMapper YAML =
      YAMLMapper.builder().enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION).build();

  private RecipeReader() {}

  private record Kind(String method, Set<String> ownKeys) {}

  /** Reads a file; every mistake in it is one line that begins with the file's name. */
  public static Recipe read(Path file) {
    try {
      return parse(Files.readString(file));
    } catch (LatheException e) {
      throw new LatheException(file + ": " + e.getMessage(), e);
    } catch (IOException e) {
      throw new LatheException("cannot read the recipe " + file + ": " + e.getMessage(), e);
    }
  }

  /** Reads the text of a recipe. */
  public static Recipe parse(String yaml) {
    JsonNode root;
    try {
      root = YAML.readTree(yaml);
    } catch (JsonProcessingException e) {
      throw new LatheException(
          "not YAML: " + e.getOriginalMessage().lines().findFirst().orElse(""), e);
    }
    if (root == null || !root.isObject()) {
      throw new LatheException("a recipe is a YAML mapping from modifiers to their settings");
    }
    var modifiers = new ArrayList<Modifier>();
    collect(root, modifiers);
    if (modifiers.isEmpty()) {
      throw new LatheException(
          "the recipe names no modifier; known are " + String.join(", ", modifierNames()));
    }
    var awq = root.findValue("AWQModifier");
    expect(
        awq == null
            || !namesScheme(awq)
            || modifiers.stream().filter(Quantization.class::isInstance).count() == 1,
        "AWQModifier names a scheme and another modifier does too: leave AWQModifier's out, and the other rounds what it scaled");
    return new Recipe(modifiers);
  }

  private static void collect(JsonNode level, List<Modifier> modifiers) {
    for (var entry : level.properties()) {
      var key = entry.getKey();
      var value = entry.getValue();
      if (key.endsWith("_stage") || key.endsWith("_modifiers")) {
        expect(value.isObject(), key + " is a mapping");
        collect(value, modifiers);
      } else if (KINDS.containsKey(key)) {
        modifiers.add(quantization(key, KINDS.get(key), value));
      } else if (TransformReader.KINDS.containsKey(key)) {
        transform(key, value, modifiers);
      } else if (CompensationReader.KINDS.containsKey(key)) {
        modifiers.add(CompensationReader.read(key, value));
      } else if (key.equals(FactorizationReader.NAME)) {
        modifiers.add(FactorizationReader.read(value));
      } else if (PruningReader.KINDS.containsKey(key)) {
        modifiers.add(PruningReader.read(key, value));
      } else if (!key.equals("run_type")) {
        throw LatheException.unknown("modifier or stage", key, modifierNames());
      }
    }
  }

  /** AWQModifier may hold the scheme itself; then its layers are rounded to nearest. */
  private static void transform(String name, JsonNode node, List<Modifier> modifiers) {
    var own = YAML.createObjectNode();
    var scheme = YAML.createObjectNode();
    boolean rounds = name.equals("AWQModifier") && namesScheme(node);
    for (var entry : node.properties()) {
      boolean ofScheme = rounds && QUANTIZATION_KEYS.contains(entry.getKey());
      (ofScheme ? scheme : own).set(entry.getKey(), entry.getValue());
    }
    modifiers.add(new Transform(TransformReader.read(name, own)));
    if (rounds) {
      modifiers.add(quantization(name, new Kind("rtn", Set.of()), scheme));
    }
  }

  private static boolean namesScheme(JsonNode modifier) {
    return modifier.has("scheme") || modifier.has("config_groups");
  }

  private static Set<String> modifierNames() {
    var names = new TreeSet<>(KINDS.keySet());
    names.addAll(TransformReader.KINDS.keySet());
    names.addAll(CompensationReader.KINDS.keySet());
    names.addAll(PruningReader.KINDS.keySet());
    names.add(FactorizationReader.NAME);
    return names;
  }

  private static Quantization quantization(String name, Kind kind, JsonNode node) {
    var known = new TreeSet<>(QUANTIZATION_KEYS);
    known.addAll(kind.ownKeys());
    for (var entry : node.properties()) {
      if (!known.contains(entry.getKey()) && !WITHOUT_MEANING.contains(entry.getKey())) {
        throw LatheException.unknown("key of " + name, entry.getKey(), known);
      }
    }
    expect(
        !node.hasNonNull("kv_cache_scheme"),
        name + ".kv_cache_scheme: the cache stays in floating point; leave the key out");
    var targets = selectors(node.path("targets"), name + ".targets", List.of("Linear"));
    var groups = new ArrayList<Group>();
    var scheme = node.path("scheme");
    if (scheme.isTextual()) {
      groups.add(new Group(targets, Schemes.named(scheme.textValue())));
    } else if (scheme.isObject()) {
      for (var entry : scheme.properties()) {
        groups.add(
            new Group(
                selectors(entry.getValue(), name + ".scheme." + entry.getKey(), List.of()),
                Schemes.named(entry.getKey())));
      }
    }
    for (var entry : node.path("config_groups").properties()) {
      groups.add(configGroup(name + ".config_groups." + entry.getKey(), entry.getValue()));
    }
    expect(
        !groups.isEmpty(), name + " needs a scheme (for example 'scheme: W4A16') or config_groups");
    return new Quantization(
        kind.method(),
        List.copyOf(groups),
        selectors(node.path("ignore"), name + ".ignore", List.of()),
        search(name, node),
        settings(kind, node));
  }

  private static Optional<ScaleSearch> search(String name, JsonNode node) {
    return text(node, "observer")
        .map(
            given ->
                switch (given) {
                  case "minmax", "memoryless_minmax" -> ScaleSearch.MIN_MAX;
                  case "mse", "memoryless_mse" -> ScaleSearch.MSE;
                  default ->
                      throw LatheException.unknown(
                          name + ".observer", given, List.of("minmax", "mse"));
                });
  }

  /** Keys that are the method's own, as they stand; the method knows what they may hold. */
  private static Map<String, Object> settings(Kind kind, JsonNode node) {
    var settings = new TreeMap<String, Object>();
    for (var key : kind.ownKeys()) {
      if (node.has(key)) {
        settings.put(key, node.path(key).asText());
      }
    }
    return settings;
  }

  private static Group configGroup(String name, JsonNode node) {
    rejectUnknown(
        name,
        node,
        Set.of("targets", "weights", "input_activations", "output_activations", "format"));
    expect(
        !node.hasNonNull("output_activations"),
        name + ".output_activations: outputs stay in floating point; leave the key out");
    return new Group(
        selectors(node.path("targets"), name + ".targets", List.of("Linear")),
        SchemeReader.read(name, node.path("weights"), node.path("input_activations")));
  }

  static List<Selector> selectors(JsonNode node, String name, List<String> otherwise) {
    if (node.isMissingNode() || node.isNull()) {
      return otherwise.stream().map(text -> Selector.of(text, name)).toList();
    }
    if (node.isTextual()) {
      return List.of(Selector.of(node.textValue(), name));
    }
    expect(node.isArray(), name + " is a list of module names, classes or 're:' expressions");
    var selectors = new ArrayList<Selector>();
    for (var item : node) {
      expect(item.isTextual(), name + " is a list of texts");
      selectors.add(Selector.of(item.textValue(), name));
    }
    return List.copyOf(selectors);
  }

  static void rejectUnknown(String name, JsonNode node, Set<String> known) {
    for (var entry : node.properties()) {
      if (!known.contains(entry.getKey())) {
        throw LatheException.unknown("key of " + name, entry.getKey(), new TreeSet<>(known));
      }
    }
  }

  static Optional<String> text(JsonNode node, String key) {
    var value = node.path(key);
    return value.isMissingNode() || value.isNull() ? Optional.empty() : Optional.of(value.asText());
  }

  static void expect(boolean condition, String message) {
    if (!condition) {
      throw new LatheException(message);
    }
  }
}

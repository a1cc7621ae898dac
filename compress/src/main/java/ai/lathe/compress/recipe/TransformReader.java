package ai.lathe.compress.recipe;

import ai.lathe.compress.transform.Awq;
import ai.lathe.compress.transform.BlockTransform;
import ai.lathe.compress.transform.Mapping;
import ai.lathe.compress.transform.SmoothQuant;
import ai.lathe.format.compressed.Selector;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** The modifiers of a recipe that transform blocks before they are compressed. */
final class TransformReader {

  /** Modifier class to its keys. */
  static final Map<String, Set<String>> KINDS =
      Map.of(
          "SmoothQuantModifier", Set.of("smoothing_strength", "mappings"),
          "AWQModifier", Set.of("n_grid", "clip", "mappings"));

  /** How many batches llm-compressor looks at; every calibration token is seen here. */
  private static final Set<String> WITHOUT_MEANING =
      Set.of("num_calibration_steps", "offload_device");

  private TransformReader() {}

  static BlockTransform read(String name, JsonNode node) {
    for (var entry : node.properties()) {
      if (entry.getKey().equals("ignore") && entry.getValue().isEmpty()) {
        continue;
      }
      if (!KINDS.get(name).contains(entry.getKey()) && !WITHOUT_MEANING.contains(entry.getKey())) {
        throw LatheException.unknown(
            "key of " + name, entry.getKey(), new TreeSet<>(KINDS.get(name)));
      }
    }
    var mappings = mappings(name + ".mappings", node.path("mappings"));
    if (name.equals("AWQModifier")) {
      var steps = number(name + ".n_grid", node.path("n_grid"), Awq.STEPS);
      expect(steps == (int) steps, name + ".n_grid is a whole number, not " + steps);
      var clip = node.path("clip");
      expect(clip.isMissingNode() || clip.isBoolean(), name + ".clip is true or false");
      return new Awq((int) steps, clip.asBoolean(true), mappings);
    }
    var strength = number(name + ".smoothing_strength", node.path("smoothing_strength"), 0.5);
    return new SmoothQuant(strength, mappings);
  }

  private static double number(String name, JsonNode node, double otherwise) {
    if (node.isMissingNode() || node.isNull()) {
      return otherwise;
    }
    expect(node.isNumber(), name + " is a number, not '" + node.asText() + "'");
    return node.doubleValue();
  }

  /**
   * {@code [[[consumers], producer]]}, as SmoothQuant's are written, or {@code [{smooth_layer:
   * producer, balance_layers: [consumers]}]}, as AWQ's are.
   */
  private static List<Mapping> mappings(String name, JsonNode node) {
    var mappings = new ArrayList<Mapping>();
    if (node.isMissingNode() || node.isNull()) {
      return mappings;
    }
    expect(node.isArray(), name + " is a list of mappings");
    for (var item : node) {
      var pair = item.isObject() ? List.of("balance_layers", "smooth_layer") : List.<String>of();
      for (var entry : item.properties()) {
        if (!pair.contains(entry.getKey())) {
          throw LatheException.unknown("key of " + name, entry.getKey(), pair);
        }
      }
      var consumers = item.isObject() ? item.path("balance_layers") : item.path(0);
      var producer = item.isObject() ? item.path("smooth_layer") : item.path(1);
      expect(
          consumers.isArray() && !consumers.isEmpty() && producer.isTextual(),
          name
              + " are written [[\"re:.*q_proj\", ..], \"re:.*input_layernorm\"] or {smooth_layer: .., balance_layers: [..]}");
      var selectors = new ArrayList<Selector>();
      for (var consumer : consumers) {
        expect(consumer.isTextual(), name + ": balance layers are a list of texts");
        selectors.add(Selector.of(consumer.textValue(), name));
      }
      mappings.add(new Mapping(Selector.of(producer.textValue(), name), List.copyOf(selectors)));
    }
    return mappings;
  }

  private static void expect(boolean condition, String message) {
    if (!condition) {
      throw new LatheException(message);
    }
  }
}

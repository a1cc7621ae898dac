package ai.lathe.format.compressed;

import ai.lathe.format.Json;
import ai.lathe.format.JsonFields;
import ai.lathe.format.WeightCodec;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.IntegerScheme.Activations;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * {@code config.json.quantization_config} of method {@code compressed-tensors}: which modules are
 * stored in which way.
 *
 * @param version of the writer; tells how 3, 5, 6 and 7 bits are packed where shapes do not
 * @param groups a module belongs to the first that names it, else to the first that names its class
 * @param ignore modules that no group applies to
 */
public record QuantizationConfig(String version, List<Group> groups, List<String> ignore) {

  /** Field of {@code config.json}. */
  public static final String FIELD = "quantization_config";

  /** The version of the Python package whose layout is written. */
  static final String WRITTEN_VERSION = "0.20.0";

  private static final String METHOD = "compressed-tensors";
  private static final String MIXED = "mixed-precision";

  /** Order in which a solver took the inputs: only {@code GROUP} changes what is stored. */
  public enum ActivationOrder {
    NONE,
    STATIC,
    GROUP
  }

  /**
   * Modules stored in the same way.
   *
   * @param targets exact names, class names, or {@code re:} and a regular expression
   * @param format name of a {@link WeightCodec}
   * @param scheme empty where the group leaves weights alone
   */
  public record Group(
      String name,
      List<String> targets,
      String format,
      Optional<IntegerScheme> scheme,
      ActivationOrder order) {}

  /** The configuration within a {@code config.json}; empty where the model is not quantized. */
  public static Optional<QuantizationConfig> of(ObjectNode config, String where) {
    return new JsonFields(config, where).object(FIELD).map(QuantizationConfigReader::read);
  }

  /**
   * Describes the linear layers of a model.
   *
   * @param modules every linear layer, in order, and how it is stored; a plain one is ignored
   * @param staticOrder the solver took inputs by activation, which is recorded and changes nothing
   */
  public static QuantizationConfig describe(
      SequencedMap<String, Encoding> modules, boolean staticOrder) {
    var byEncoding = new LinkedHashMap<Encoding.Grouped, List<String>>();
    var ignore = new ArrayList<String>();
    modules.forEach(
        (module, encoding) -> {
          if (encoding instanceof Encoding.Grouped grouped) {
            byEncoding.computeIfAbsent(grouped, absent -> new ArrayList<>()).add(module);
          } else {
            CompressedTensors.codec(encoding);
            ignore.add(module);
          }
        });
    var groups = new ArrayList<Group>();
    for (var entry : byEncoding.entrySet()) {
      var encoding = entry.getKey();
      groups.add(
          new Group(
              "group_" + groups.size(),
              byEncoding.size() == 1 ? List.of("Linear") : List.copyOf(entry.getValue()),
              CompressedTensors.codec(encoding).name(),
              Optional.of(encoding.scheme()),
              encoding.groupIndex()
                  ? ActivationOrder.GROUP
                  : staticOrder ? ActivationOrder.STATIC : ActivationOrder.NONE));
    }
    return new QuantizationConfig(WRITTEN_VERSION, groups, ignore);
  }

  /** The group that a module belongs to; empty where it is stored plain. */
  public Optional<Group> group(String module, String className) {
    if (ignore.stream().map(this::selector).anyMatch(s -> s.matches(module, className))) {
      return Optional.empty();
    }
    return first(selector -> selector.matchesName(module))
        .or(() -> first(selector -> selector.matchesClass(className)))
        .filter(group -> group.scheme.isPresent() && !group.format.equals(DenseCodec.NAME));
  }

  private Optional<Group> first(java.util.function.Predicate<Selector> matches) {
    return groups.stream()
        .filter(group -> group.targets.stream().map(this::selector).anyMatch(matches))
        .findFirst();
  }

  private Selector selector(String text) {
    return Selector.of(text, FIELD);
  }

  /**
   * How a module is stored, for example {@code encoding("model.layers.0.self_attn.q_proj",
   * "Linear", BF16)}; empty where it is stored plain.
   *
   * @param scaleType what scales are written in; reading takes the type that the file has
   */
  public Optional<Encoding.Grouped> encoding(String module, String className, DType scaleType) {
    return group(module, className)
        .map(
            group ->
                new Encoding.Grouped(
                    group.scheme.orElseThrow(), scaleType, group.order == ActivationOrder.GROUP));
  }

  /** What reads the tensors of a group's modules. */
  public WeightCodec codec(Group group) {
    return group.format.equals(PackQuantized.NAME)
        ? new PackQuantized(densePacking() ? Packing.DENSE : Packing.PADDED)
        : CompressedTensors.codecs().stream()
            .filter(codec -> codec.name().equals(group.format))
            .findFirst()
            .orElseThrow();
  }

  /** Words are dense since 0.18. */
  private boolean densePacking() {
    var parts = version.split("[^0-9]", 3);
    try {
      return parts.length < 2 || Integer.parseInt(parts[0]) > 0 || Integer.parseInt(parts[1]) >= 18;
    } catch (NumberFormatException e) {
      return true;
    }
  }

  /** The format of all groups, or {@code mixed-precision}. */
  public String format() {
    var formats = groups.stream().map(Group::format).distinct().toList();
    return switch (formats.size()) {
      case 0 -> DenseCodec.NAME;
      case 1 -> formats.getFirst();
      default -> MIXED;
    };
  }

  /** The value of {@value #FIELD}, with the fields and values that the Python package writes. */
  public ObjectNode toJson() {
    var json = Json.object();
    json.put("quant_method", METHOD).put("version", version).put("format", format());
    json.put("quantization_status", "compressed");
    var all = json.putObject("config_groups");
    for (var group : groups) {
      var one = all.putObject(group.name);
      group.targets.forEach(one.putArray("targets")::add);
      one.set("weights", group.scheme.map(scheme -> weights(scheme, group.order)).orElse(null));
      one.set("input_activations", group.scheme.map(QuantizationConfig::activations).orElse(null));
      one.putNull("output_activations").put("format", group.format);
    }
    ignore.forEach(json.putArray("ignore")::add);
    json.putNull("kv_cache_scheme").putNull("global_compression_ratio");
    return json;
  }

  private static ObjectNode weights(IntegerScheme scheme, ActivationOrder order) {
    boolean channel = scheme.groupSize() == IntegerScheme.CHANNEL;
    var weights = Json.object();
    weights.put("num_bits", scheme.bits()).put("type", "int").put("symmetric", scheme.symmetric());
    weights.put("strategy", channel ? "channel" : "group");
    weights.put("group_size", channel ? null : (Integer) scheme.groupSize()).put("dynamic", false);
    switch (order) {
      case NONE -> weights.putNull("actorder");
      case STATIC -> weights.put("actorder", "static");
      case GROUP -> weights.put("actorder", "group");
    }
    return weights;
  }

  private static ObjectNode activations(IntegerScheme scheme) {
    if (scheme.activations() == Activations.FLOAT) {
      return null;
    }
    var inputs = Json.object();
    inputs.put("num_bits", 8).put("type", "int").put("symmetric", true).put("strategy", "token");
    return inputs.putNull("group_size").put("dynamic", true);
  }
}

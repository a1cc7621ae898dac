package ai.lathe.format.compressed;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.JsonFields;
import ai.lathe.format.Quantization;
import ai.lathe.tensor.Encoding;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.TreeMap;

/**
 * {@code config.json.quantization_config} of method {@code compressed-tensors}: which modules are
 * stored in which way. Where a format is not one of that package's the method is called {@code
 * lathe}, and everything else is the same.
 *
 * @param version of the writer; tells how 3, 5, 6 and 7 bits are packed where shapes do not
 * @param groups a module belongs to the first that names it, else to the first that names its class
 * @param ignore modules that no group applies to
 * @param rotations of the inputs of modules, {@code transform_config}
 * @param sparsity modules that are stored with a mask, {@code sparsity_config}
 */
public record QuantizationConfig(
    String version,
    List<Group> groups,
    List<String> ignore,
    List<InputRotation> rotations,
    Optional<SparsityConfig> sparsity)
    implements Quantization {

  /** The version of the Python package whose layout is written. */
  static final String WRITTEN_VERSION = "0.20.0";

  static final String METHOD = "compressed-tensors";
  static final String OWN_METHOD = "lathe";
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
   * @param format name of a {@link ConfiguredCodec}
   * @param encoding of each module's weight; empty where the group leaves weights alone
   */
  public record Group(
      String name,
      List<String> targets,
      String format,
      Optional<Encoding> encoding,
      ActivationOrder order) {}

  /** Reads the value of {@value #FIELD}. */
  public static QuantizationConfig read(JsonFields quantization) {
    return QuantizationConfigReader.read(quantization);
  }

  /**
   * Describes the linear layers of a model.
   *
   * @param modules every linear layer, in order, and how it is stored; a plain one is ignored
   * @param staticOrder the solver took inputs by activation, which is recorded and changes nothing
   */
  public static QuantizationConfig describe(
      SequencedMap<String, Encoding> modules, boolean staticOrder) {
    var sparsity = SparsityConfig.of(modules);
    if (sparsity.isPresent()) {
      return new QuantizationConfig(
          SparsityConfig.VERSION, List.of(), List.of(), List.of(), sparsity);
    }
    var byEncoding = new LinkedHashMap<Encoding, List<String>>();
    var bySize = new TreeMap<Integer, List<String>>();
    var ignore = new ArrayList<String>();
    modules.forEach(
        (module, encoding) -> {
          if (CompressedTensors.codec(encoding) instanceof ConfiguredCodec codec) {
            var stored = codec.described(encoding);
            if (stored instanceof Encoding.Rotated(int size, Encoding inner)) {
              bySize.computeIfAbsent(size, absent -> new ArrayList<>()).add(module);
              stored = inner;
            }
            byEncoding.computeIfAbsent(stored, absent -> new ArrayList<>()).add(module);
          } else {
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
              Optional.of(encoding),
              Part.order(encoding, staticOrder ? ActivationOrder.STATIC : ActivationOrder.NONE)));
    }
    var rotations = new ArrayList<InputRotation>();
    bySize.forEach(
        (size, rotated) ->
            rotations.add(
                rotated.size() + ignore.size() == modules.size()
                    ? new InputRotation(size, List.of("Linear"), ignore)
                    : new InputRotation(size, List.copyOf(rotated), List.of())));
    return new QuantizationConfig(WRITTEN_VERSION, groups, ignore, rotations, sparsity);
  }

  /** The group that a module belongs to; empty where it is stored plain. */
  public Optional<Group> group(String module, String className) {
    if (ignore.stream().map(this::selector).anyMatch(s -> s.matches(module, className))) {
      return Optional.empty();
    }
    return first(selector -> selector.matchesName(module))
        .or(() -> first(selector -> selector.matchesClass(className)))
        .filter(group -> group.encoding.isPresent() && !group.format.equals(DenseCodec.NAME));
  }

  private Optional<Group> first(java.util.function.Predicate<Selector> matches) {
    return groups.stream()
        .filter(group -> group.targets.stream().map(this::selector).anyMatch(matches))
        .findFirst();
  }

  private Selector selector(String text) {
    return Selector.of(text, FIELD);
  }

  @Override
  public Optional<Stored> module(String name, String className) {
    var stored =
        group(name, className).map(group -> new Stored(codec(group), group.encoding.orElseThrow()));
    var masked = sparsity.filter(config -> config.matches(name, className));
    if (masked.isPresent()) {
      if (stored.isPresent()) {
        throw new FormatException(
            "%s: the codes of '%s' are masked: not supported"
                .formatted(SparsityConfig.FIELD, name));
      }
      return masked.map(SparsityConfig::stored);
    }
    var rotation = rotations.stream().filter(r -> r.matches(name, className)).findFirst();
    if (rotation.isEmpty()) {
      return stored;
    }
    if (stored.isEmpty()) {
      throw new FormatException(
          "%s: the input of '%s' is rotated, and its weight is not quantized: not supported"
              .formatted(InputRotation.FIELD, name));
    }
    var inner = stored.get();
    return Optional.of(
        new Stored(
            RotatedCodec.around(inner.codec()),
            new Encoding.Rotated(rotation.get().size(), inner.encoding())));
  }

  /** What reads the tensors of a group's modules. */
  public ConfiguredCodec codec(Group group) {
    return group.format.equals(PackQuantized.NAME)
        ? new PackQuantized(densePacking() ? Packing.DENSE : Packing.PADDED)
        : CompressedTensors.configured(group.format).orElseThrow();
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

  /** {@code compressed-tensors}, or {@code lathe} where a format is not that package's. */
  private String method() {
    return groups.stream()
            .flatMap(group -> CompressedTensors.configured(group.format).stream())
            .allMatch(ConfiguredCodec::standard)
        ? METHOD
        : OWN_METHOD;
  }

  @Override
  public String format() {
    return method() + " " + formats();
  }

  /** The format of all groups, or {@code mixed-precision}. */
  private String formats() {
    if (groups.isEmpty() && sparsity.isPresent()) {
      return sparsity.get().codec().name();
    }
    var formats = groups.stream().map(Group::format).distinct().toList();
    return switch (formats.size()) {
      case 0 -> DenseCodec.NAME;
      case 1 -> formats.getFirst();
      default -> MIXED;
    };
  }

  /** With the fields and values that the Python package writes. */
  @Override
  public ObjectNode toJson() {
    var json = Json.object();
    json.put("quant_method", method()).put("version", version);
    sparsity.ifPresent(config -> json.set(SparsityConfig.FIELD, config.write()));
    if (groups.isEmpty() && sparsity.isPresent()) {
      return json;
    }
    json.put("format", formats());
    json.put("quantization_status", "compressed");
    var all = json.putObject("config_groups");
    for (var group : groups) {
      var one = all.putObject(group.name);
      group.targets.forEach(one.putArray("targets")::add);
      one.set(
          "weights",
          group.encoding.map(encoding -> codec(group).weights(encoding, group.order)).orElse(null));
      one.set(
          "input_activations",
          group.encoding.map(e -> ActivationArguments.write(e.activations())).orElse(null));
      one.putNull("output_activations").put("format", group.format);
    }
    ignore.forEach(json.putArray("ignore")::add);
    json.putNull("kv_cache_scheme").putNull("global_compression_ratio");
    if (!rotations.isEmpty()) {
      json.set(InputRotation.FIELD, InputRotation.write(rotations));
    }
    return json;
  }
}

package ai.lathe.format.compressed;

import ai.lathe.format.FormatException;
import ai.lathe.format.JsonFields;
import ai.lathe.format.compressed.QuantizationConfig.ActivationOrder;
import ai.lathe.format.compressed.QuantizationConfig.Group;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.FloatType;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Reads {@code quantization_config}. What would change the meaning of the stored weights and is not
 * supported is refused; what only describes how they came about is not looked at.
 */
final class QuantizationConfigReader {

  private static final List<String> METHODS =
      List.of(QuantizationConfig.METHOD, QuantizationConfig.OWN_METHOD);
  private static final String MIXED = "mixed-precision";

  private QuantizationConfigReader() {}

  static QuantizationConfig read(JsonFields config) {
    var method = config.requiredText("quant_method");
    if (!METHODS.contains(method)) {
      throw refuse(config, "quant_method", method, String.join(", ", METHODS));
    }
    var rotations = InputRotation.read(config);
    var sparsity = SparsityConfig.read(config);
    var format = config.text("format").orElse(MIXED);
    var groups = new ArrayList<Group>();
    var all = config.object("config_groups");
    if (all.isEmpty() && config.object(SparsityConfig.FIELD).isEmpty()) {
      throw new FormatException(config.where() + ": 'config_groups' is missing");
    }
    all.ifPresent(
        given ->
            given
                .object()
                .propertyStream()
                .map(java.util.Map.Entry::getKey)
                .forEach(name -> groups.add(group(name, required(given, name), format))));
    var ignore = config.texts("ignore");
    ignore.forEach(selector -> Selector.of(selector, config.where()));
    return new QuantizationConfig(
        config.text("version").orElse(""), List.copyOf(groups), ignore, rotations, sparsity);
  }

  private static JsonFields required(JsonFields object, String name) {
    return object
        .object(name)
        .orElseThrow(() -> new FormatException(object.where() + ": '" + name + "' is null"));
  }

  private static Group group(String name, JsonFields group, String outerFormat) {
    var targets = group.texts("targets");
    targets.forEach(selector -> Selector.of(selector, group.where()));
    var weights = group.object("weights");
    var activations = group.object("input_activations").map(ActivationArguments::read);
    var format =
        group
            .text("format")
            .or(() -> Optional.of(outerFormat).filter(outer -> !outer.equals(MIXED)))
            .orElse("");
    if (weights.isEmpty() || format.equals(DenseCodec.NAME)) {
      return new Group(name, targets, DenseCodec.NAME, Optional.empty(), ActivationOrder.NONE);
    }
    boolean integers = weights.get().text("type").orElse("int").equals("int");
    if (integers && format.equals(FloatCodec.NAIVE.name())) {
      // Naive is whatever stands unpacked in the nearest plain type.
      format = IntQuantized.NAME;
    } else if (format.isEmpty()) {
      format = usual(weights.get(), activations.orElse(Activations.NONE), integers);
    }
    var named = format;
    var codec =
        CompressedTensors.configured(named)
            .orElseThrow(
                () -> refuse(group, "format", named, String.join(", ", CompressedTensors.names())));
    var encoding = codec.encoding(weights.get(), activations.orElse(Activations.NONE));
    return new Group(name, targets, format, Optional.of(encoding), order(weights.get()));
  }

  /** The format of a group that names none, as the Python package chooses it. */
  private static String usual(JsonFields weights, Activations activations, boolean integers) {
    if (integers) {
      return activations instanceof Activations.None ? PackQuantized.NAME : IntQuantized.NAME;
    }
    var scheme = FloatArguments.read(weights, FloatType.E4M3, activations);
    return CompressedTensors.codec(Encoding.Floats.of(scheme, DType.F32)).name();
  }

  static ActivationOrder order(JsonFields weights) {
    var value = weights.object().get("actorder");
    if (value == null || value.isNull() || (value.isBoolean() && !value.booleanValue())) {
      return ActivationOrder.NONE;
    }
    if (value.isBoolean()) {
      return ActivationOrder.GROUP;
    }
    return switch (weights.requiredText("actorder")) {
      case "weight", "static" -> ActivationOrder.STATIC;
      case "group", "dynamic" -> ActivationOrder.GROUP;
      case String other ->
          throw refuse(weights, "actorder", other, "weight, static, group, dynamic");
    };
  }

  static FormatException refuse(JsonFields at, String field, String found, String supported) {
    return new FormatException(
        at.where() + ": " + field + " '" + found + "' is not supported; supported: " + supported);
  }
}

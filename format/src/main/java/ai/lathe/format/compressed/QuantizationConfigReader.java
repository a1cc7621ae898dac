package ai.lathe.format.compressed;

import ai.lathe.format.FormatException;
import ai.lathe.format.JsonFields;
import ai.lathe.format.compressed.QuantizationConfig.ActivationOrder;
import ai.lathe.format.compressed.QuantizationConfig.Group;
import ai.lathe.tensor.Activations;
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
    if (config.object("transform_config").filter(c -> !c.object().isEmpty()).isPresent()) {
      throw new FormatException(
          config.where() + ": weights under a transform_config are not supported");
    }
    config
        .object("sparsity_config")
        .flatMap(sparsity -> sparsity.text("format"))
        .filter(format -> !format.equals(DenseCodec.NAME))
        .ifPresent(
            format -> {
              throw refuse(config, "sparsity_config.format", format, DenseCodec.NAME);
            });
    var format = config.text("format").orElse(MIXED);
    var groups = new ArrayList<Group>();
    var all =
        config
            .object("config_groups")
            .orElseThrow(
                () -> new FormatException(config.where() + ": 'config_groups' is missing"));
    for (var name : all.object().propertyStream().map(java.util.Map.Entry::getKey).toList()) {
      groups.add(
          group(
              name,
              all.object(name)
                  .orElseThrow(() -> new FormatException(all.where() + ": '" + name + "' is null")),
              format));
    }
    var ignore = config.texts("ignore");
    ignore.forEach(selector -> Selector.of(selector, config.where()));
    return new QuantizationConfig(config.text("version").orElse(""), List.copyOf(groups), ignore);
  }

  private static Group group(String name, JsonFields group, String outerFormat) {
    var targets = group.texts("targets");
    targets.forEach(selector -> Selector.of(selector, group.where()));
    var weights = group.object("weights");
    var activations = group.object("input_activations").map(QuantizationConfigReader::activations);
    var format =
        group
            .text("format")
            .or(() -> Optional.of(outerFormat).filter(outer -> !outer.equals(MIXED)))
            .orElse(activations.isPresent() ? IntQuantized.NAME : PackQuantized.NAME);
    if (weights.isEmpty() || format.equals(DenseCodec.NAME)) {
      return new Group(name, targets, format, Optional.empty(), ActivationOrder.NONE);
    }
    var codec =
        CompressedTensors.configured(format)
            .orElseThrow(
                () ->
                    refuse(group, "format", format, String.join(", ", CompressedTensors.names())));
    var encoding = codec.encoding(weights.get(), activations.orElse(Activations.NONE));
    return new Group(name, targets, format, Optional.of(encoding), order(weights.get()));
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

  /** Only what W8A8 INT8 uses: a symmetric scale for each token, taken from the token itself. */
  private static Activations activations(JsonFields inputs) {
    var dynamic = inputs.object().get("dynamic");
    boolean supported =
        inputs.integer("num_bits").orElse(8) == 8
            && inputs.text("type").orElse("int").equals("int")
            && inputs.flag("symmetric").orElse(true)
            && inputs.text("strategy").orElse("").equals("token")
            && dynamic != null
            && dynamic.asBoolean();
    if (!supported) {
      throw new FormatException(
          inputs.where()
              + ": of quantized inputs only symmetric int8 with a dynamic scale for each token is"
              + " supported");
    }
    return Activations.INT8_TOKEN;
  }

  static FormatException refuse(JsonFields at, String field, String found, String supported) {
    return new FormatException(
        at.where() + ": " + field + " '" + found + "' is not supported; supported: " + supported);
  }
}

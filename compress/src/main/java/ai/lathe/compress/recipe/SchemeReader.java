package ai.lathe.compress.recipe;

import ai.lathe.format.JsonFields;
import ai.lathe.format.compressed.ActivationArguments;
import ai.lathe.format.compressed.FloatArguments;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.FloatType;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Set;

/** A scheme that a recipe spells out, in compressed-tensors' arguments. */
final class SchemeReader {

  private static final Set<String> ARGUMENTS =
      Set.of(
          "num_bits",
          "type",
          "symmetric",
          "strategy",
          "group_size",
          "block_structure",
          "dynamic",
          "actorder",
          "scale_dtype",
          "zp_dtype",
          "observer",
          "observer_kwargs");

  private SchemeReader() {}

  /**
   * @param name of the group, for messages
   * @param inputs missing or null where inputs stay in floating point
   */
  static Scheme read(String name, JsonNode weights, JsonNode inputs) {
    if (!(weights instanceof ObjectNode given)) {
      throw new LatheException(
          name + " needs weights: {num_bits, type, symmetric, strategy, group_size}");
    }
    var arguments = new JsonFields(given, name + ".weights");
    RecipeReader.rejectUnknown(arguments.where(), weights, ARGUMENTS);
    var activations = activations(name + ".input_activations", inputs);
    return switch (arguments.text("type").orElse("int")) {
      case "int" -> new Scheme.Integers(integers(arguments, activations));
      case "float" ->
          new Scheme.Floats(FloatArguments.read(arguments, FloatType.E4M3, activations));
      case String other ->
          throw LatheException.unknown(arguments.where() + ".type", other, List.of("int", "float"));
    };
  }

  private static IntegerScheme integers(JsonFields weights, Activations activations) {
    var strategy =
        weights
            .text("strategy")
            .orElse(weights.integer("group_size").isPresent() ? "group" : "channel");
    int groupSize =
        switch (strategy) {
          case "channel" -> IntegerScheme.CHANNEL;
          case "group" -> weights.integer("group_size").orElse(128);
          default ->
              throw LatheException.unknown(
                  weights.where() + ".strategy", strategy, List.of("group", "channel"));
        };
    return new IntegerScheme(
        weights.integer("num_bits").orElse(8),
        groupSize,
        weights.flag("symmetric").orElse(true),
        activations);
  }

  private static Activations activations(String name, JsonNode node) {
    if (node.isMissingNode() || node.isNull()) {
      return Activations.NONE;
    }
    if (!(node instanceof ObjectNode given)) {
      throw new LatheException(name + " is left out or a mapping like that of weights");
    }
    RecipeReader.rejectUnknown(name, node, ARGUMENTS);
    return ActivationArguments.read(new JsonFields(given, name));
  }
}

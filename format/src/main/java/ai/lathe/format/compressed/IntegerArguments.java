package ai.lathe.format.compressed;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.JsonFields;
import ai.lathe.format.compressed.QuantizationConfig.ActivationOrder;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.databind.node.ObjectNode;

/** An integer scheme as {@code weights} of a group. */
final class IntegerArguments {

  private IntegerArguments() {}

  static ObjectNode write(IntegerScheme scheme, ActivationOrder order) {
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

  static Encoding.Grouped read(JsonFields weights, Activations activations) {
    var type = weights.text("type").orElse("int");
    if (!type.equals("int")) {
      throw QuantizationConfigReader.refuse(weights, "type", type, "int");
    }
    int size =
        weights.integer("group_size").isPresent()
            ? weights.integer("group_size").getAsInt()
            : IntegerScheme.CHANNEL;
    // Without a strategy the group size tells, as in the Python package.
    var strategy =
        weights.text("strategy").orElse(size > 0 ? "group" : size < 0 ? "channel" : "tensor");
    int groupSize =
        switch (strategy) {
          case "channel" -> IntegerScheme.CHANNEL;
          case "group" -> size;
          default ->
              throw QuantizationConfigReader.refuse(
                  weights, "strategy", strategy, "group, channel");
        };
    if (strategy.equals("group") && groupSize < 1) {
      throw new FormatException(
          weights.where() + ": 'group_size' should be positive, not " + groupSize);
    }
    try {
      var scheme =
          new IntegerScheme(
              weights.integer("num_bits").orElse(8),
              groupSize,
              weights.flag("symmetric").orElse(true),
              activations);
      boolean groupIndex = QuantizationConfigReader.order(weights) == ActivationOrder.GROUP;
      return new Encoding.Grouped(scheme, DType.F16, groupIndex);
    } catch (FormatException e) {
      throw e;
    } catch (LatheException e) {
      throw new FormatException(weights.where() + ": " + e.getMessage(), e);
    }
  }
}

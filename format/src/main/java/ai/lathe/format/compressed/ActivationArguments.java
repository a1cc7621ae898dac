package ai.lathe.format.compressed;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.JsonFields;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.ElementType;
import ai.lathe.tensor.FloatType;
import ai.lathe.tensor.GroupScale;
import ai.lathe.tensor.IntegerType;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.databind.node.ObjectNode;

/** Activations as {@code input_activations} of a group; recipes write them the same way. */
public final class ActivationArguments {

  private static final String SUPPORTED =
      "symmetric int, or float of 4 or 8 bits: strategy token with dynamic true, tensor with dynamic"
          + " false, group with dynamic true, tensor_group with dynamic local";

  private ActivationArguments() {}

  /** Null for inputs that are left alone. */
  static ObjectNode write(Activations activations) {
    return switch (activations) {
      case Activations.None() -> null;
      case Activations.PerToken(var element) ->
          element(element).put("strategy", "token").put("dynamic", true);
      case Activations.PerTensor(var element) ->
          element(element).put("strategy", "tensor").put("dynamic", false);
      case Activations.PerGroup(var element, int size, var scale) -> {
        var inputs = element(element).put("group_size", size);
        yield switch (scale) {
          case FLOAT -> inputs.put("strategy", "group").put("dynamic", true);
          case E8M0 ->
              inputs
                  .put("strategy", "group")
                  .put("dynamic", true)
                  .put("scale_dtype", FloatArguments.E8M0);
          case E4M3_GLOBAL ->
              inputs
                  .put("strategy", "tensor_group")
                  .put("dynamic", "local")
                  .put("scale_dtype", FloatArguments.E4M3);
        };
      }
    };
  }

  private static ObjectNode element(ElementType element) {
    if (element == FloatType.E5M2) {
      throw new LatheException("compressed-tensors rounds inputs to E4M3, not to E5M2");
    }
    var inputs = Json.object();
    inputs.put("num_bits", element.bits());
    inputs.put("type", element instanceof FloatType ? "float" : "int");
    return inputs.put("symmetric", true).putNull("group_size");
  }

  /** The inverse; what cannot be executed is a {@link FormatException}. */
  public static Activations read(JsonFields inputs) {
    int bits = inputs.integer("num_bits").orElse(8);
    int size = inputs.integer("group_size").orElse(0);
    var kind = inputs.text("type").orElse("int");
    var strategy = inputs.text("strategy").orElse(size > 0 ? "group" : "tensor");
    var dynamic = inputs.object().path("dynamic").asText("false");
    var element = element(inputs, kind, bits);
    if (!inputs.flag("symmetric").orElse(true)) {
      throw refuse(inputs);
    }
    return switch (strategy + " " + dynamic) {
      case "token true" -> new Activations.PerToken(element);
      case "tensor false" -> new Activations.PerTensor(element);
      case "group true" ->
          new Activations.PerGroup(
              element,
              positive(inputs, size),
              FloatArguments.scale(inputs, kind.equals("float") ? bits : 0, size));
      case "tensor_group local" ->
          new Activations.PerGroup(element, positive(inputs, size), GroupScale.E4M3_GLOBAL);
      default -> throw refuse(inputs);
    };
  }

  private static ElementType element(JsonFields inputs, String kind, int bits) {
    if (kind.equals("int") && bits >= 2 && bits <= 8) {
      return new IntegerType(bits);
    }
    if (kind.equals("float") && (bits == 4 || bits == 8)) {
      return bits == 4 ? FloatType.E2M1 : FloatType.E4M3;
    }
    throw refuse(inputs);
  }

  private static int positive(JsonFields inputs, int size) {
    if (size < 1) {
      throw new FormatException(inputs.where() + ": 'group_size' should be positive, not " + size);
    }
    return size;
  }

  private static FormatException refuse(JsonFields inputs) {
    return new FormatException(
        inputs.where() + ": inputs quantized like this are not supported; supported: " + SUPPORTED);
  }
}

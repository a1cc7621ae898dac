package ai.lathe.format.compressed;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.JsonFields;
import ai.lathe.format.compressed.QuantizationConfig.ActivationOrder;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.FloatScheme;
import ai.lathe.tensor.FloatType;
import ai.lathe.tensor.GroupScale;
import ai.lathe.tensor.ScaleTile;
import com.fasterxml.jackson.databind.node.ObjectNode;

/** A floating-point scheme as {@code weights} of a group; recipes write it the same way. */
public final class FloatArguments {

  static final String E8M0 = "torch.uint8";
  static final String E4M3 = "torch.float8_e4m3fn";

  private FloatArguments() {}

  static ObjectNode write(FloatScheme scheme, ActivationOrder order) {
    var tile = scheme.tile();
    boolean group = tile.rows() == 1 && tile.columns() > 0;
    var weights = Json.object();
    weights.put("num_bits", scheme.type().bits()).put("type", "float").put("symmetric", true);
    weights.put("group_size", group ? (Integer) tile.columns() : null);
    if (group) {
      weights.put("strategy", scheme.global() ? "tensor_group" : "group");
    } else if (tile.equals(ScaleTile.TENSOR)) {
      weights.put("strategy", "tensor");
    } else if (tile.equals(ScaleTile.CHANNEL)) {
      weights.put("strategy", "channel");
    } else {
      weights.put("strategy", "block");
      weights.putArray("block_structure").add(tile.rows()).add(tile.columns());
    }
    weights.put("dynamic", false);
    if (order == ActivationOrder.STATIC) {
      weights.put("actorder", "static");
    }
    switch (scheme.scale()) {
      case FLOAT -> {}
      case E8M0 -> weights.put("scale_dtype", E8M0);
      case E4M3_GLOBAL -> weights.put("scale_dtype", E4M3);
    }
    return weights;
  }

  /**
   * The scheme that {@code weights} describe; what cannot be supported is a {@link
   * FormatException}.
   *
   * @param eight the type that 8 bits are
   */
  public static FloatScheme read(JsonFields weights, FloatType eight, Activations activations) {
    var kind = weights.text("type").orElse("int");
    if (!kind.equals("float")) {
      throw QuantizationConfigReader.refuse(weights, "type", kind, "float");
    }
    int bits = weights.integer("num_bits").orElse(8);
    if (bits != 4 && bits != 8) {
      throw QuantizationConfigReader.refuse(weights, "num_bits", Integer.toString(bits), "4, 8");
    }
    if (!weights.flag("symmetric").orElse(true)) {
      throw QuantizationConfigReader.refuse(weights, "symmetric", "false", "true");
    }
    int size = weights.integer("group_size").orElse(0);
    // Without a strategy the group size tells, as in the Python package.
    var strategy =
        weights.text("strategy").orElse(size > 0 ? "group" : size < 0 ? "channel" : "tensor");
    var type = bits == 4 ? FloatType.E2M1 : eight;
    return switch (strategy) {
      case "tensor" -> plain(type, ScaleTile.TENSOR, activations);
      case "channel" -> plain(type, ScaleTile.CHANNEL, activations);
      case "block" -> plain(type, block(weights), activations);
      case "group" ->
          new FloatScheme(type, group(weights, size), scale(weights, bits, size), activations);
      case "tensor_group" ->
          new FloatScheme(type, group(weights, size), GroupScale.E4M3_GLOBAL, activations);
      default ->
          throw QuantizationConfigReader.refuse(
              weights, "strategy", strategy, "tensor, channel, group, block, tensor_group");
    };
  }

  private static FloatScheme plain(FloatType type, ScaleTile tile, Activations activations) {
    return new FloatScheme(type, tile, GroupScale.FLOAT, activations);
  }

  private static ScaleTile group(JsonFields weights, int size) {
    if (size < 1) {
      throw new FormatException(weights.where() + ": 'group_size' should be positive, not " + size);
    }
    return ScaleTile.group(size);
  }

  /** Groups of 32 four-bit codes are the MX format; of eight-bit codes they are if they say so. */
  static GroupScale scale(JsonFields at, int bits, int size) {
    var stored = at.text("scale_dtype");
    if (stored.isPresent() && !stored.get().equals(E8M0)) {
      var plain = java.util.List.of("torch.float32", "torch.bfloat16", "torch.float16");
      if (!plain.contains(stored.get())) {
        throw QuantizationConfigReader.refuse(
            at, "scale_dtype", stored.get(), E8M0 + ", " + String.join(", ", plain));
      }
      return GroupScale.FLOAT;
    }
    return stored.isPresent() || (bits == 4 && size == 32) ? GroupScale.E8M0 : GroupScale.FLOAT;
  }

  private static ScaleTile block(JsonFields weights) {
    var shape = weights.object().get("block_structure");
    if (shape == null
        || !shape.isArray()
        || shape.size() != 2
        || !shape.get(0).canConvertToInt()
        || !shape.get(1).canConvertToInt()
        || shape.get(0).asInt() < 1
        || shape.get(1).asInt() < 1) {
      throw new FormatException(
          weights.where()
              + ": 'block_structure' should be [rows, columns], for example [128, 128]");
    }
    return new ScaleTile(shape.get(0).asInt(), shape.get(1).asInt());
  }
}

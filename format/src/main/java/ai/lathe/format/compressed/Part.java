package ai.lathe.format.compressed;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.JsonFields;
import ai.lathe.format.WeightCodec;
import ai.lathe.format.compressed.QuantizationConfig.ActivationOrder;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/**
 * How a part of a composite weight is stored, within {@code weights} of its group: {@code format},
 * {@code weights} and {@code input_activations} as those of a group, and where the part is for
 * inputs rotated in blocks {@code hadamard}, their size, and where it is stored with another module
 * {@code owner}, that one.
 */
final class Part {

  private static final String ROTATION = "hadamard";
  private static final String OWNER = "owner";

  private Part() {}

  static WeightCodec codec(Encoding encoding) {
    return CompressedTensors.codec(encoding);
  }

  /** {@link ConfiguredCodec#described}. */
  static Encoding described(Encoding encoding) {
    return codec(encoding) instanceof ConfiguredCodec codec ? codec.described(encoding) : encoding;
  }

  static ObjectNode write(Encoding encoding, ActivationOrder order) {
    if (encoding instanceof Encoding.Shared(String owner, Encoding stored)) {
      return write(stored, order).put(OWNER, owner);
    }
    var codec = codec(encoding);
    var json = Json.object().put("format", codec.name());
    if (codec instanceof ConfiguredCodec configured) {
      json.set("weights", configured.weights(encoding, order(encoding, order)));
    }
    if (!(encoding.activations() instanceof Activations.None)) {
      json.set("input_activations", ActivationArguments.write(encoding.activations()));
    }
    if (encoding instanceof Encoding.Rotated(int size, _)) {
      json.put(ROTATION, size);
    }
    return json;
  }

  /**
   * What is written of the order in which a solver took the inputs.
   *
   * @param taken where that changes nothing in what is stored
   */
  static ActivationOrder order(Encoding encoding, ActivationOrder taken) {
    return encoding instanceof Encoding.Grouped(_, _, boolean groupIndex) && groupIndex
        ? ActivationOrder.GROUP
        : taken;
  }

  /**
   * The inverse.
   *
   * @param allowed names of formats that may stand here
   */
  private static Encoding read(JsonFields part, Predicate<String> allowed) {
    var stored = readStored(part, allowed);
    return part.has(OWNER) ? new Encoding.Shared(part.requiredText(OWNER), stored) : stored;
  }

  private static Encoding readStored(JsonFields part, Predicate<String> allowed) {
    var format = part.requiredText("format");
    if (!allowed.test(format)) {
      throw QuantizationConfigReader.refuse(
          part,
          "format",
          format,
          String.join(", ", CompressedTensors.names().stream().filter(allowed).toList()));
    }
    var codec = CompressedTensors.configured(format);
    if (codec.isEmpty()) {
      return new Encoding.Plain(DType.F16);
    }
    var weights = part.object("weights").orElseThrow(() -> part.wrong("weights", "an object"));
    var activations =
        part.object("input_activations").map(ActivationArguments::read).orElse(Activations.NONE);
    var encoding = codec.get().encoding(weights, activations);
    if (!part.has(ROTATION)) {
      return encoding;
    }
    int size = part.count(ROTATION, 1 << 20);
    if (size < 2 || Integer.bitCount(size) != 1) {
      throw part.wrong(ROTATION, "a power of two from 2");
    }
    return new Encoding.Rotated(size, encoding);
  }

  /**
   * The parts in an array of {@code weights}.
   *
   * @param allowed names of formats that may stand there
   */
  static List<Encoding> readAll(
      JsonFields weights, String field, int most, Predicate<String> allowed) {
    var array = weights.get(field).orElseThrow(() -> weights.wrong(field, "an array"));
    if (!array.isArray() || array.size() < 2 || array.size() > most) {
      throw weights.wrong(field, "an array of 2 to " + most + " objects");
    }
    var parts = new ArrayList<Encoding>();
    for (var element : array) {
      if (!(element instanceof ObjectNode part)) {
        throw weights.wrong(field, "an array of objects");
      }
      var where = "%s.%s[%d]".formatted(weights.where(), field, parts.size());
      parts.add(read(new JsonFields(part, where), allowed));
    }
    return parts;
  }

  /** A failure of numbers from a file to fit together. */
  static FormatException unfit(String prefix, LatheException e) {
    return e instanceof FormatException format
        ? format
        : new FormatException("'" + prefix + "': " + e.getMessage(), e);
  }
}

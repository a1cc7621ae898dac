package ai.lathe.format.awq;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.JsonFields;
import ai.lathe.format.Quantization;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * {@code quantization_config} of method {@code awq}: one scheme for all linear layers but those
 * that are named.
 *
 * @param plain parts of names; a layer whose name holds one is stored plain
 */
public record AwqConfig(IntegerScheme scheme, List<String> plain) implements Quantization {

  /** The output layer stays plain without being named. */
  private static final String HEAD = "lm_head";

  /** Reads the value of {@value #FIELD}. */
  public static AwqConfig read(JsonFields config) {
    int bits = config.integer("bits").orElse(config.integer("w_bit").orElse(AwqCodec.BITS));
    if (bits != AwqCodec.BITS) {
      throw new FormatException(
          config.where() + ": bits " + bits + " is not supported; supported: 4");
    }
    var version = config.text("version").orElse("gemm");
    if (!version.equalsIgnoreCase("gemm")) {
      throw new FormatException(
          config.where() + ": version '" + version + "' is not supported; supported: gemm");
    }
    int size = config.integer("group_size").orElse(config.integer("q_group_size").orElse(128));
    if (size < -1) {
      throw new FormatException(
          config.where() + ": group_size should be positive, or -1 for whole rows, not " + size);
    }
    boolean symmetric = !config.flag("zero_point").orElse(true);
    return new AwqConfig(
        new IntegerScheme(bits, Math.max(size, IntegerScheme.CHANNEL), symmetric, Activations.NONE),
        config.texts("modules_to_not_convert"));
  }

  static AwqConfig describe(SequencedMap<String, Encoding> modules) {
    IntegerScheme scheme = null;
    var plain = new ArrayList<String>();
    for (var module : modules.entrySet()) {
      if (!(module.getValue() instanceof Encoding.Grouped grouped)) {
        plain.add(module.getKey());
      } else if (scheme == null) {
        scheme = grouped.scheme();
      } else if (!scheme.equals(grouped.scheme())) {
        throw new LatheException(
            "an AWQ checkpoint has one scheme for all layers, not %s and %s"
                .formatted(scheme.label(), grouped.scheme().label()));
      }
    }
    return new AwqConfig(scheme, plain);
  }

  @Override
  public Optional<Stored> module(String name, String className) {
    return name.equals(HEAD) || plain.stream().anyMatch(name::contains)
        ? Optional.empty()
        : Optional.of(new Stored(new AwqCodec(), new Encoding.Grouped(scheme, DType.F16)));
  }

  @Override
  public String format() {
    return "awq gemm";
  }

  /** Zero points are always written: the kernels of others want them. */
  @Override
  public ObjectNode toJson() {
    var json = Json.object();
    json.put("quant_method", "awq").put("bits", AwqCodec.BITS);
    json.put("group_size", scheme.groupSize() == IntegerScheme.CHANNEL ? -1 : scheme.groupSize());
    json.put("zero_point", true).put("version", "gemm");
    if (plain.isEmpty()) {
      json.putNull("modules_to_not_convert");
    } else {
      plain.forEach(json.putArray("modules_to_not_convert")::add);
    }
    return json;
  }
}

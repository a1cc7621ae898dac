package ai.lathe.format;

import ai.lathe.tensor.Encoding;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import java.util.Optional;

/** What the configuration of a model says of how its linear layers are stored. */
public interface Quantization {

  /** Field of {@code config.json}. */
  String FIELD = "quantization_config";

  /**
   * How one layer is stored.
   *
   * @param encoding what {@link WeightCodec#decode} needs to know that the tensors do not say; the
   *     type of scales is the file's
   */
  record Stored(WeightCodec codec, Encoding encoding) {}

  /**
   * How a module is stored, for example {@code module("model.layers.0.self_attn.q_proj",
   * "Linear")}; empty where it is stored plain.
   */
  Optional<Stored> module(String name, String className);

  /** For people, for example {@code compressed-tensors pack-quantized}. */
  String format();

  /** Files that readers of the format expect beside {@code config.json}, by name. */
  default Map<String, byte[]> files() {
    return Map.of();
  }

  /** The value of {@value #FIELD}. */
  ObjectNode toJson();
}

package ai.lathe.format.quantized;

import ai.lathe.format.JsonFields;
import ai.lathe.format.Quantization;
import ai.lathe.format.WeightCodec;
import ai.lathe.format.compressed.CompressedTensors;
import ai.lathe.format.compressed.QuantizationConfig;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Optional;

/** Every quantization method that a {@code config.json} may name. */
public final class Quantizations {

  private Quantizations() {}

  /** All codecs of all methods. */
  public static List<WeightCodec> codecs() {
    return CompressedTensors.codecs();
  }

  /**
   * The quantization within a {@code config.json}; empty where the model is not quantized.
   *
   * @param where the file, for messages
   */
  public static Optional<Quantization> of(ObjectNode config, String where) {
    return new JsonFields(config, where).object(Quantization.FIELD).map(Quantizations::read);
  }

  private static Quantization read(JsonFields quantization) {
    return QuantizationConfig.read(quantization);
  }
}

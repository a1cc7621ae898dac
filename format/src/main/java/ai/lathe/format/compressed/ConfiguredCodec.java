package ai.lathe.format.compressed;

import ai.lathe.format.JsonFields;
import ai.lathe.format.WeightCodec;
import ai.lathe.format.compressed.QuantizationConfig.ActivationOrder;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.Encoding;
import com.fasterxml.jackson.databind.node.ObjectNode;

/** A codec whose encodings a group of {@link QuantizationConfig} describes. */
public interface ConfiguredCodec extends WeightCodec {

  /** Whether it is one of the compressed-tensors package's own; the others are Lathe's. */
  default boolean standard() {
    return true;
  }

  /**
   * The encoding without what each layer's own tensors tell: layers that differ in nothing else
   * share a group.
   */
  default Encoding described(Encoding encoding) {
    return encoding;
  }

  /** The group's {@code weights}, with the fields and values that the Python package writes. */
  ObjectNode weights(Encoding encoding, ActivationOrder order);

  /**
   * The inverse of {@link #weights}; what cannot be supported is a {@link
   * ai.lathe.format.FormatException}.
   *
   * @param activations how the layer's input is quantized
   */
  Encoding encoding(JsonFields weights, Activations activations);
}

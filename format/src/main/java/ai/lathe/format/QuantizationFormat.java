package ai.lathe.format;

import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import java.util.Optional;
import java.util.SequencedMap;

/** A way of storing quantized layers in safetensors that other tools know. */
public interface QuantizationFormat {

  /** As {@code --format} takes it, for example {@code gptq}. */
  String name();

  /**
   * What stores this encoding.
   *
   * @throws ai.lathe.tensor.LatheException where nothing of this format does, saying what does
   */
  WeightCodec codec(Encoding encoding);

  /**
   * Why a matrix of this shape cannot be stored in an encoding that the format has, in one
   * sentence; empty where it can.
   */
  Optional<String> refusal(Encoding encoding, int rows, int columns);

  /** Whether layers may have different encodings. */
  default boolean mixes() {
    return true;
  }

  /** In which scales are stored, in a model of this element type. */
  DType scaleType(DType model);

  /**
   * Describes the linear layers of a model.
   *
   * @param modules every linear layer, in order, and how it is stored; plain ones too
   * @param staticOrder the solver took inputs by activation, which changes nothing in what is
   *     stored
   */
  Quantization describe(SequencedMap<String, Encoding> modules, boolean staticOrder);
}

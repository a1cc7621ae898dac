package ai.lathe.format.compressed;

import ai.lathe.format.Quantization;
import ai.lathe.format.QuantizationFormat;
import ai.lathe.format.WeightCodec;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import java.util.Optional;
import java.util.SequencedMap;

/** Directories of compressed-tensors, and of Lathe's own codecs in the same manner. */
public record CompressedTensorsFormat() implements QuantizationFormat {

  @Override
  public String name() {
    return "compressed-tensors";
  }

  @Override
  public WeightCodec codec(Encoding encoding) {
    return CompressedTensors.codec(encoding);
  }

  @Override
  public Optional<String> refusal(Encoding encoding, int rows, int columns) {
    return Optional.empty();
  }

  @Override
  public DType scaleType(DType model) {
    return WeightCodec.scaleType(model);
  }

  @Override
  public Quantization describe(SequencedMap<String, Encoding> modules, boolean staticOrder) {
    return QuantizationConfig.describe(modules, staticOrder);
  }
}

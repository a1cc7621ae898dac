package ai.lathe.format.compressed;

import ai.lathe.format.FormatException;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.TensorSource;
import ai.lathe.format.WeightCodec;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.util.List;
import java.util.Map;

/** An uncompressed weight: {@code weight [out, in]} of any floating type. */
public final class DenseCodec implements WeightCodec {

  static final String NAME = "dense";
  private static final String WEIGHT = ".weight";

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public boolean canEncode(Encoding encoding) {
    return encoding instanceof Encoding.Plain(var dtype) && dtype.isFloat();
  }

  @Override
  public List<String> suffixes() {
    return List.of(WEIGHT);
  }

  @Override
  public long[] shape(String prefix, Encoding encoding, TensorSource source) {
    return source.info(prefix + WEIGHT).shape();
  }

  @Override
  public List<TensorInfo> layout(String prefix, Encoding encoding, int rows, int columns) {
    if (!(encoding instanceof Encoding.Plain(var dtype))) {
      throw new LatheException(NAME + " cannot store " + encoding.label());
    }
    return List.of(Layer.info(prefix + WEIGHT, dtype, rows, columns));
  }

  @Override
  public Map<String, Tensor> encode(String prefix, LinearWeight weight) {
    if (!(weight instanceof Dense(var tensor))) {
      throw new LatheException(NAME + " cannot store " + weight.encoding().label());
    }
    return Map.of(prefix + WEIGHT, tensor);
  }

  @Override
  public Dense decode(String prefix, Encoding encoding, TensorSource source) {
    var tensor = source.tensor(prefix + WEIGHT);
    if (tensor.shape().length != 2 || !tensor.dtype().isFloat()) {
      throw new FormatException(
          "'" + prefix + ".weight' should be a matrix of floats, not " + tensor);
    }
    return new Dense(tensor);
  }
}

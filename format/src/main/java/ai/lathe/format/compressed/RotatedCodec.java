package ai.lathe.format.compressed;

import ai.lathe.format.JsonFields;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.TensorSource;
import ai.lathe.format.WeightCodec;
import ai.lathe.format.compressed.QuantizationConfig.ActivationOrder;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Rotated;
import ai.lathe.tensor.Tensor;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Map;

/**
 * A weight for rotated inputs: the tensors of what it is stored as; the rotation stands in {@code
 * transform_config}.
 */
record RotatedCodec(ConfiguredCodec inner) implements ConfiguredCodec {

  @Override
  public String name() {
    return inner.name();
  }

  @Override
  public boolean standard() {
    return inner.standard();
  }

  @Override
  public boolean canEncode(Encoding encoding) {
    return encoding instanceof Encoding.Rotated(_, Encoding turned) && inner.canEncode(turned);
  }

  @Override
  public Encoding described(Encoding encoding) {
    if (!(encoding instanceof Encoding.Rotated(int size, Encoding turned))) {
      throw new LatheException("the inputs of " + encoding.label() + " are not rotated");
    }
    return new Encoding.Rotated(size, inner.described(turned));
  }

  private static Encoding inner(Encoding encoding) {
    if (encoding instanceof Encoding.Rotated(_, Encoding turned)) {
      return turned;
    }
    throw new LatheException("the inputs of " + encoding.label() + " are not rotated");
  }

  @Override
  public List<String> suffixes() {
    return inner.suffixes();
  }

  @Override
  public long[] shape(String prefix, Encoding encoding, TensorSource source) {
    return inner.shape(prefix, inner(encoding), source);
  }

  @Override
  public ObjectNode weights(Encoding encoding, ActivationOrder order) {
    return inner.weights(inner(encoding), order);
  }

  @Override
  public Encoding encoding(JsonFields weights, Activations activations) {
    throw new IllegalStateException("a group does not say whether inputs are rotated");
  }

  @Override
  public List<TensorInfo> layout(String prefix, Encoding encoding, int rows, int columns) {
    return inner.layout(prefix, inner(encoding), rows, columns);
  }

  @Override
  public Map<String, Tensor> constants(String prefix, Encoding encoding, int rows, int columns) {
    return inner.constants(prefix, inner(encoding), rows, columns);
  }

  @Override
  public Map<String, Tensor> encode(String prefix, LinearWeight weight) {
    if (!(weight instanceof Rotated(_, LinearWeight turned))) {
      throw new LatheException("the inputs of " + weight.encoding().label() + " are not rotated");
    }
    return inner.encode(prefix, turned);
  }

  @Override
  public LinearWeight decode(String prefix, Encoding encoding, TensorSource source) {
    if (!(encoding instanceof Encoding.Rotated(int size, Encoding turned))) {
      throw new LatheException("the inputs of " + encoding.label() + " are not rotated");
    }
    return new Rotated(size, inner.decode(prefix, turned, source));
  }

  /** What stores an encoding that may be rotated. */
  static WeightCodec around(WeightCodec codec) {
    return codec instanceof ConfiguredCodec configured ? new RotatedCodec(configured) : codec;
  }
}

package ai.lathe.torch;

import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Rotated;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * {@code y = W x + b}.
 *
 * @param weight {@code [out, in]}
 * @param bias {@code [out]} or null
 * @param rounding of the input before the product
 * @param source what the weight was made of and may lie in: native code does not keep memory from
 *     the collector, this does. Null where the tensors are the caller's
 */
record TorchLinear(
    Tensor weight, Tensor bias, Precision precision, InputRounding rounding, LinearWeight source)
    implements AutoCloseable {

  /** Over tensors that are the caller's. */
  TorchLinear(Tensor weight, Tensor bias, Precision precision, InputRounding rounding) {
    this(weight, bias, precision, rounding, null);
  }

  /** Decodes a weight; the result is owned by whoever closes it. */
  static TorchLinear of(LinearWeight weight, ai.lathe.tensor.Tensor bias, Precision precision) {
    return new TorchLinear(
        Torch.owned(() -> Weights.of(executed(weight), precision)),
        bias == null ? null : Torch.owned(() -> Weights.vector(bias)),
        precision,
        InputRounding.of(weight),
        weight);
  }

  /**
   * What the input is multiplied by. An input that is only rotated need not be: the rotations of
   * input and weight cancel.
   */
  private static LinearWeight executed(LinearWeight weight) {
    return weight instanceof Rotated(_, LinearWeight inner) && InputRounding.of(weight).rotates()
        ? inner
        : weight;
  }

  /** {@code [.., in]} float32 to {@code [.., out]} float32. */
  Tensor forward(Tensor input) {
    return Torch.scoped(
        () -> {
          var x = rounding.apply(input);
          if (precision == Precision.FLOAT32) {
            return bias == null ? torch.linear(x, weight) : torch.linear(x, weight, bias);
          }
          var y = torch.linear(x.to(precision.type()), weight.to(precision.type()));
          var product = y.to(ScalarType.Float);
          return bias == null ? product : product.add(bias);
        });
  }

  TorchLinear replace(LinearWeight other) {
    var replaced =
        new TorchLinear(
            Torch.owned(() -> Weights.of(executed(other), precision)),
            bias,
            precision,
            InputRounding.of(other),
            other);
    weight.close();
    return replaced;
  }

  @Override
  public void close() {
    weight.close();
    if (bias != null) {
      bias.close();
    }
  }
}

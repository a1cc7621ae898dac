package ai.lathe.torch;

import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme.Activations;
import ai.lathe.tensor.LinearWeight;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * {@code y = W x + b}.
 *
 * @param weight {@code [out, in]}
 * @param bias {@code [out]} or null
 * @param activations how the input is rounded before the product
 */
record TorchLinear(Tensor weight, Tensor bias, Precision precision, Activations activations)
    implements AutoCloseable {

  /** Decodes a weight; the result is owned by whoever closes it. */
  static TorchLinear of(LinearWeight weight, ai.lathe.tensor.Tensor bias, Precision precision) {
    return new TorchLinear(
        Torch.owned(() -> Weights.of(weight, precision)),
        bias == null ? null : Torch.owned(() -> Weights.vector(bias)),
        precision,
        activations(weight));
  }

  private static Activations activations(LinearWeight weight) {
    return weight instanceof GroupQuantized quantized
        ? quantized.scheme().activations()
        : Activations.FLOAT;
  }

  /** {@code [.., in]} float32 to {@code [.., out]} float32. */
  Tensor forward(Tensor input) {
    return Torch.scoped(
        () -> {
          var x = activations == Activations.FLOAT ? input : roundTokens(input);
          if (precision == Precision.FLOAT32) {
            return bias == null ? torch.linear(x, weight) : torch.linear(x, weight, bias);
          }
          var y = torch.linear(x.to(precision.type()), weight.to(precision.type()));
          var product = y.to(ScalarType.Float);
          return bias == null ? product : product.add(bias);
        });
  }

  /**
   * Each token rounded to int8 and back: scale {@code max|x| / 127.5}, to nearest even, clamped to
   * [-128, 127]. A token of zeros stays.
   */
  private static Tensor roundTokens(Tensor input) {
    var largest = input.abs().amax(new long[] {-1}, true);
    var scale = largest.div(new Scalar(127.5f)).clamp_min(new Scalar(Float.MIN_NORMAL));
    var codes =
        input
            .div(scale)
            .round()
            .clamp(new ScalarOptional(new Scalar(-128f)), new ScalarOptional(new Scalar(127f)));
    return codes.mul(scale);
  }

  TorchLinear replace(LinearWeight other) {
    var replaced =
        new TorchLinear(
            Torch.owned(() -> Weights.of(other, precision)), bias, precision, activations(other));
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

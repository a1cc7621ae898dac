package ai.lathe.torch;

import ai.lathe.tensor.Activations;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Rotated;
import ai.lathe.tensor.Sum;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * {@code y = W x + b}. A sum of weights some of which round their input is several of these: what
 * is rounded for one part is not rounded for the others.
 *
 * @param weight {@code [out, in]}
 * @param bias {@code [out]} or null
 * @param rounding of the input before the product
 * @param rest another part, whose output is added; null where the weight is all there is
 * @param source what the weight was made of and may lie in: native code does not keep memory from
 *     the collector, this does. Null where the tensors are the caller's
 */
record TorchLinear(
    Tensor weight,
    Tensor bias,
    Precision precision,
    InputRounding rounding,
    TorchLinear rest,
    LinearWeight source)
    implements AutoCloseable {

  /** Over tensors that are the caller's. */
  TorchLinear(Tensor weight, Tensor bias, Precision precision, InputRounding rounding) {
    this(weight, bias, precision, rounding, null, null);
  }

  /** Decodes a weight; the result is owned by whoever closes it. */
  static TorchLinear of(LinearWeight weight, ai.lathe.tensor.Tensor bias, Precision precision) {
    return of(weight, bias == null ? null : Torch.owned(() -> Weights.vector(bias)), precision);
  }

  private static TorchLinear of(LinearWeight weight, Tensor bias, Precision precision) {
    var parts = parts(weight);
    var first = parts.getFirst();
    var others = parts.subList(1, parts.size());
    return new TorchLinear(
        Torch.owned(() -> Weights.of(executed(first), precision)),
        bias,
        precision,
        InputRounding.of(first),
        others.isEmpty() ? null : of(new Sum(others), (Tensor) null, precision),
        first);
  }

  /** What is multiplied by inputs of its own; what rounds none of them is one part. */
  private static List<LinearWeight> parts(LinearWeight weight) {
    if (!(weight instanceof Sum(var all))) {
      return List.of(weight);
    }
    var rounding = new ArrayList<LinearWeight>();
    var exact = new ArrayList<LinearWeight>();
    for (var part : all) {
      for (var single : parts(part)) {
        (single.activations() instanceof Activations.None ? exact : rounding).add(single);
      }
    }
    if (rounding.isEmpty()) {
      return List.of(weight);
    }
    if (!exact.isEmpty()) {
      rounding.add(exact.size() == 1 ? exact.getFirst() : new Sum(exact));
    }
    return rounding;
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
          var y = product(rounding.apply(input));
          return rest == null ? y : y.add(rest.forward(input));
        });
  }

  private Tensor product(Tensor x) {
    if (precision == Precision.FLOAT32) {
      return bias == null ? torch.linear(x, weight) : torch.linear(x, weight, bias);
    }
    var y = torch.linear(x.to(precision.type()), weight.to(precision.type()));
    var product = y.to(ScalarType.Float);
    return bias == null ? product : product.add(bias);
  }

  /** The same weight with another bias; it shares the weight and is not to be closed. */
  TorchLinear with(Tensor otherBias) {
    return new TorchLinear(weight, otherBias, precision, rounding, rest, source);
  }

  TorchLinear replace(LinearWeight other) {
    var replaced = of(other, bias, precision);
    closeWeights();
    return replaced;
  }

  private void closeWeights() {
    weight.close();
    if (rest != null) {
      rest.close();
    }
  }

  @Override
  public void close() {
    closeWeights();
    if (bias != null) {
      bias.close();
    }
  }
}

package ai.lathe.torch;

import ai.lathe.tensor.LinearWeight;
import org.bytedeco.pytorch.Tensor;

/**
 * The weight of a linear layer, decoded and held apart from any block, so that blocks of many
 * models can be put together of the same ones.
 */
public final class HeldLinear implements AutoCloseable {

  private final TorchLinear linear;

  private HeldLinear(TorchLinear linear) {
    this.linear = linear;
  }

  /** Decodes a weight. */
  public static HeldLinear of(LinearWeight weight, Precision precision) {
    return new HeldLinear(TorchLinear.of(weight, null, precision));
  }

  public long rows() {
    return linear.weight().size(0);
  }

  public long columns() {
    return linear.weight().size(1);
  }

  /** Memory that it takes; of weights that are used where they are mapped, what they may touch. */
  public long bytes() {
    long bytes = 0;
    for (var part = linear; part != null; part = part.rest()) {
      bytes += part.weight().numel() * part.weight().element_size();
    }
    return bytes;
  }

  /** The layer with a bias, which may be null; not to be closed. */
  TorchLinear with(Tensor bias) {
    return linear.with(bias);
  }

  @Override
  public void close() {
    linear.close();
  }
}

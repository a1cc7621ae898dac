package ai.lathe.torch;

import ai.lathe.model.architecture.Architecture.NormKind;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/**
 * RMS or layer norm over the last dimension.
 *
 * @param weight {@code [n]}
 * @param bias {@code [n]} or null
 * @param offset what is added to the weight
 */
record TorchNorm(NormKind kind, Tensor weight, Tensor bias, double offset, double epsilon)
    implements AutoCloseable {

  Tensor forward(Tensor x) {
    return Torch.scoped(
        () -> {
          long[] shape = {weight.size(0)};
          var factor = offset == 0 ? weight : weight.add(new Scalar(offset));
          return switch (kind) {
            case RMS ->
                torch.rms_norm(x, shape, new TensorOptional(factor), new DoubleOptional(epsilon));
            case LAYER ->
                torch.layer_norm(
                    x,
                    shape,
                    new TensorOptional(factor),
                    bias == null ? new TensorOptional() : new TensorOptional(bias),
                    epsilon,
                    false);
          };
        });
  }

  @Override
  public void close() {
    weight.close();
    if (bias != null) {
      bias.close();
    }
  }
}

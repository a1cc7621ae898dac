package ai.lathe.torch;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Role;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/** Hidden states of the last block to logits: the final norm and the output matrix. */
public final class TorchHead implements AutoCloseable {

  private final Checkpoint checkpoint;
  private final Precision precision;
  private final TorchNorm norm;
  private final HeldLinear held;
  private TorchLinear output;

  private TorchHead(Checkpoint checkpoint, Precision precision, TorchNorm norm, HeldLinear held) {
    this.checkpoint = checkpoint;
    this.precision = precision;
    this.norm = norm;
    this.held = held;
  }

  /** The output matrix is read when it is first used. The checkpoint must stay open as long. */
  public static TorchHead load(Checkpoint checkpoint, Precision precision) {
    return new TorchHead(checkpoint, precision, outputNorm(checkpoint), null);
  }

  /** A head whose output matrix somebody else holds, longer than this. */
  static TorchHead of(Checkpoint checkpoint, Precision precision, HeldLinear output) {
    return new TorchHead(checkpoint, precision, outputNorm(checkpoint), output);
  }

  private static TorchNorm outputNorm(Checkpoint checkpoint) {
    // The states of a post-norm model are normed already.
    return checkpoint.architecture().has(Role.OUTPUT_NORM)
        ? TorchBlock.norm(checkpoint, Address.weight(Role.OUTPUT_NORM))
        : null;
  }

  /** The input of the output matrix, {@code [.., hidden]}, in the caller's scope. */
  public Tensor norm(Tensor hidden) {
    return norm == null ? hidden : norm.forward(hidden);
  }

  /** Logits {@code [.., vocabulary]} of normed hidden states, in the caller's scope. */
  public Tensor logits(Tensor normed) {
    if (output == null) {
      var address = Address.weight(Role.OUTPUT);
      var bias =
          checkpoint
              .vector(address.bias())
              .map(vector -> Torch.owned(() -> Weights.vector(vector)))
              .orElse(null);
      var weight = held == null ? HeldLinear.of(checkpoint.matrix(address), precision) : held;
      output = weight.with(bias);
    }
    var cap = checkpoint.config().arithmetic().outputCap();
    return cap.isEmpty()
        ? output.forward(normed)
        : Torch.scoped(
            () -> {
              var scaled = output.forward(normed).div(new Scalar(cap.getAsDouble()));
              return scaled.tanh().mul(new Scalar(cap.getAsDouble()));
            });
  }

  @Override
  public void close() {
    if (norm != null) {
      norm.close();
    }
    if (output != null && held == null) {
      output.close();
    } else if (output != null && output.bias() != null) {
      output.bias().close();
    }
  }
}

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
  private TorchLinear output;

  private TorchHead(Checkpoint checkpoint, Precision precision, TorchNorm norm) {
    this.checkpoint = checkpoint;
    this.precision = precision;
    this.norm = norm;
  }

  /** The output matrix is read when it is first used. The checkpoint must stay open as long. */
  public static TorchHead load(Checkpoint checkpoint, Precision precision) {
    // The states of a post-norm model are normed already.
    var norm =
        checkpoint.architecture().has(Role.OUTPUT_NORM)
            ? TorchBlock.norm(checkpoint, Address.weight(Role.OUTPUT_NORM))
            : null;
    return new TorchHead(checkpoint, precision, norm);
  }

  /** The input of the output matrix, {@code [.., hidden]}, in the caller's scope. */
  public Tensor norm(Tensor hidden) {
    return norm == null ? hidden : norm.forward(hidden);
  }

  /** Logits {@code [.., vocabulary]} of normed hidden states, in the caller's scope. */
  public Tensor logits(Tensor normed) {
    if (output == null) {
      var address = Address.weight(Role.OUTPUT);
      var bias = checkpoint.vector(address.bias()).orElse(null);
      output = TorchLinear.of(checkpoint.matrix(address), bias, precision);
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
    if (output != null) {
      output.close();
    }
  }
}

package ai.lathe.torch;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Role;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * Hidden states of the last block to logits: the final norm, or the transform of an encoder's head
 * with its activation and norm, and the output matrix.
 */
public final class TorchHead implements AutoCloseable {

  private final Checkpoint checkpoint;
  private final Precision precision;
  private final TorchLinear transform;
  private final TorchNorm norm;
  private final HeldLinear held;
  private TorchLinear output;

  private TorchHead(Checkpoint checkpoint, Precision precision, HeldLinear held) {
    this.checkpoint = checkpoint;
    this.precision = precision;
    this.held = held;
    transform =
        checkpoint.architecture().has(Role.HEAD_TRANSFORM)
            ? linear(Role.HEAD_TRANSFORM, null)
            : null;
    norm = norm(checkpoint);
  }

  /** The output matrix is read when it is first used. The checkpoint must stay open as long. */
  public static TorchHead load(Checkpoint checkpoint, Precision precision) {
    return new TorchHead(checkpoint, precision, null);
  }

  /** A head whose output matrix somebody else holds, longer than this. */
  static TorchHead of(Checkpoint checkpoint, Precision precision, HeldLinear output) {
    return new TorchHead(checkpoint, precision, output);
  }

  /** Null where there is none: the states of a post-norm model are normed already. */
  private static TorchNorm norm(Checkpoint checkpoint) {
    for (var role : new Role[] {Role.OUTPUT_NORM, Role.HEAD_NORM}) {
      if (checkpoint.architecture().has(role)) {
        return TorchBlock.norm(checkpoint, Address.weight(role));
      }
    }
    return null;
  }

  /**
   * @param weight that somebody else holds, or null
   */
  private TorchLinear linear(Role role, HeldLinear weight) {
    var address = Address.weight(role);
    var bias =
        checkpoint
            .vector(address.bias())
            .map(vector -> Torch.owned(() -> Weights.vector(vector)))
            .orElse(null);
    var given = weight == null ? HeldLinear.of(checkpoint.matrix(address), precision) : weight;
    return given.with(bias);
  }

  /** The input of the output matrix, {@code [.., hidden]}, in the caller's scope. */
  public Tensor input(Tensor hidden) {
    if (transform == null) {
      return norm == null ? hidden : norm.forward(hidden);
    }
    var activation = checkpoint.config().arithmetic().activation();
    return Torch.scoped(
        () -> norm.forward(TorchBlock.activate(activation, transform.forward(hidden))));
  }

  /** Logits {@code [.., vocabulary]} of the output matrix's inputs, in the caller's scope. */
  public Tensor logits(Tensor input) {
    if (output == null) {
      output = linear(Role.OUTPUT, held);
    }
    var cap = checkpoint.config().arithmetic().outputCap();
    return cap.isEmpty()
        ? output.forward(input)
        : Torch.scoped(
            () -> {
              var scaled = output.forward(input).div(new Scalar(cap.getAsDouble()));
              return scaled.tanh().mul(new Scalar(cap.getAsDouble()));
            });
  }

  @Override
  public void close() {
    if (transform != null) {
      transform.close();
    }
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

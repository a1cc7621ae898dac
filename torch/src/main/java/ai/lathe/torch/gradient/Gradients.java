package ai.lathe.torch.gradient;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.torch.Torch;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * Gradients of a loss by weight matrices of a model's blocks, a mini-batch at a time. The model
 * runs as it is evaluated. Only what leads to the matrices that are asked for is differentiated:
 * asking for those of the last blocks alone costs little more than a forward pass. For one thread
 * at a time.
 */
public final class Gradients implements AutoCloseable {

  private final Checkpoint checkpoint;
  private final Loss loss;
  private final DifferentiableModel model;
  private final DifferentiableModel teacher;

  /**
   * Reads the model into memory.
   *
   * @param checkpoint stays open as long
   */
  public Gradients(Checkpoint checkpoint, Loss loss) {
    this.checkpoint = checkpoint;
    this.loss = loss;
    loss.refusal(checkpoint.architecture())
        .ifPresent(
            why -> {
              throw new LatheException(why);
            });
    model = new DifferentiableModel(checkpoint);
    teacher = loss.teacher().map(DifferentiableModel::new).orElse(null);
  }

  /** Where a gradient goes. */
  @FunctionalInterface
  public interface Sink {

    /**
     * @param index of the matrix among those asked for
     * @param gradient {@code [out, in]} float32, valid during the call
     */
    void accept(int index, MemorySegment gradient);
  }

  /**
   * The gradient of one mini-batch. Matrices that it does not touch, as those of experts that no
   * token went to, have one of zeros.
   *
   * @param batch sequences of any lengths; padding changes nothing
   * @param number of the mini-batch: losses that draw at random draw the same for the same number
   * @param matrices weights in blocks
   * @return the loss
   */
  public double of(List<int[]> batch, long number, List<Address> matrices, Sink sink) {
    if (batch.isEmpty() || batch.stream().anyMatch(sequence -> sequence.length == 0)) {
      throw new LatheException("a mini-batch of gradients holds a sequence without tokens");
    }
    try (var _ = new PointerScope()) {
      var weights = matrices.stream().map(model::weight).toArray(Tensor[]::new);
      for (var weight : weights) {
        weight.set_requires_grad(true);
      }
      try {
        var value = loss.of(new Pass(model, teacher, batch, number));
        var gradients = backward(value, weights);
        for (int i = 0; i < weights.length; i++) {
          hand(i, gradients.get(i), weights[i], matrices.get(i), number, sink);
        }
        return value.item_double();
      } finally {
        for (var weight : weights) {
          weight.set_requires_grad(false);
        }
      }
    }
  }

  /** The loss of a mini-batch alone. */
  public double loss(List<int[]> batch, long number) {
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      return loss.of(new Pass(model, teacher, batch, number)).item_double();
    }
  }

  /** Puts another weight of the same shape in the place of a matrix in a block, for all to come. */
  public void replace(Address address, LinearWeight weight) {
    model.replace(address, weight);
  }

  private static TensorVector backward(Tensor loss, Tensor[] weights) {
    return Torch.oneThreadAProduct(
        () ->
            torch.grad(
                new TensorVector(loss),
                new TensorVector(weights),
                new TensorVector(),
                new BoolOptional(false),
                false,
                true));
  }

  private void hand(
      int index, Tensor gradient, Tensor weight, Address address, long number, Sink sink) {
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      var plain = gradient.defined() ? gradient.contiguous() : torch.zeros_like(weight.detach());
      if (!Torch.finite(plain)) {
        throw new LatheException(
            "the gradient of %s in mini-batch %d holds NaN or infinity: the model or its text is broken"
                .formatted(checkpoint.name(address), number));
      }
      sink.accept(index, Torch.memory(plain));
    }
  }

  @Override
  public void close() {
    model.close();
    if (teacher != null) {
      teacher.close();
    }
  }
}

package ai.lathe.torch.train;

import ai.lathe.torch.Torch;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) with clipping by the norm of the whole
 * gradient. Matrices decay, vectors do not.
 */
final class AdamW implements AutoCloseable {

  private static final double BETA1 = 0.9;
  private static final double BETA2 = 0.95;
  private static final double EPSILON = 1e-8;

  private record Slot(Tensor parameter, Tensor mean, Tensor square) {}

  private final List<Slot> slots = new ArrayList<>();
  private final double decay;
  private final double clip;
  private int step;

  AdamW(Iterable<Tensor> parameters, double decay, double clip) {
    this.decay = decay;
    this.clip = clip;
    for (var parameter : parameters) {
      slots.add(
          new Slot(
              parameter,
              Torch.owned(() -> torch.zeros_like(parameter.detach())),
              Torch.owned(() -> torch.zeros_like(parameter.detach()))));
    }
  }

  /**
   * Moves every parameter against its gradient and clears the gradients.
   *
   * @return the norm of the gradient before clipping
   */
  double step(double rate) {
    step++;
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      double sum = 0;
      for (var slot : slots) {
        sum += slot.parameter().grad().square().sum().item_double();
      }
      double norm = Math.sqrt(sum);
      double scale = norm > clip ? clip / norm : 1;
      double rate1 = rate / (1 - Math.pow(BETA1, step));
      double root2 = Math.sqrt(1 - Math.pow(BETA2, step));
      for (var slot : slots) {
        update(slot, scale, rate, rate1, root2);
      }
      return norm;
    }
  }

  private void update(Slot slot, double scale, double rate, double rate1, double root2) {
    try (var _ = new PointerScope()) {
      var parameter = slot.parameter();
      var gradient = parameter.grad().mul_(new Scalar(scale));
      if (parameter.dim() > 1) {
        parameter.mul_(new Scalar(1 - rate * decay));
      }
      slot.mean().mul_(new Scalar(BETA1)).add_(gradient, new Scalar(1 - BETA1));
      slot.square().mul_(new Scalar(BETA2)).addcmul_(gradient, gradient, new Scalar(1 - BETA2));
      var denominator = slot.square().sqrt().div_(new Scalar(root2)).add_(new Scalar(EPSILON));
      parameter.addcdiv_(slot.mean(), denominator, new Scalar(-rate1));
      gradient.zero_();
    }
  }

  @Override
  public void close() {
    for (var slot : slots) {
      slot.mean().close();
      slot.square().close();
    }
  }
}

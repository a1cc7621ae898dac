package ai.lathe.torch.gradient;

import ai.lathe.torch.Torch;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Tokens from a model's own distribution. */
final class Draw {

  private Draw() {}

  /**
   * By inversion: the first token whose cumulative probability reaches a uniform number.
   *
   * @param logits {@code [.., vocabulary]}
   * @return {@code [..]} int64
   */
  static Tensor from(Tensor logits, SplittableRandom random) {
    var cumulative =
        torch.cumsum(
            torch.softmax(logits.detach(), -1), -1, new ScalarTypeOptional(ScalarType.Double));
    var shape = logits.shape().clone();
    shape[shape.length - 1] = 1;
    var uniform = new float[(int) (logits.numel() / logits.size(-1))];
    for (int i = 0; i < uniform.length; i++) {
      uniform[i] = random.nextFloat();
    }
    var below = cumulative.lt(Torch.ofFloats(uniform, shape)).sum(-1);
    return below.clamp_max(new Scalar((int) logits.size(-1) - 1));
  }
}

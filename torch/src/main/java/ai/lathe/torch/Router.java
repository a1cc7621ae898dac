package ai.lathe.torch;

import ai.lathe.model.ModelConfig.Experts;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Which tokens go through which experts: each through the few of highest score, whose outputs are
 * weighted by the softmax of the scores.
 *
 * @see <a href="https://arxiv.org/abs/2401.04088">Jiang et al., Mixtral of Experts, 2024</a>
 */
final class Router {

  /**
   * One expert's part of a batch.
   *
   * @param tokens {@code [n]} int64, rows of the batch in ascending order
   * @param weights {@code [n, 1]} of the expert's output for each
   */
  record Part(int expert, Tensor tokens, Tensor weights) {}

  private Router() {}

  /**
   * Parts of the experts that some token goes to.
   *
   * @param scores {@code [tokens, experts]}
   */
  static List<Part> route(Tensor scores, Experts experts) {
    var best =
        torch.softmax(scores.to(ScalarType.Float), -1).topk(experts.perToken(), -1, true, true);
    var weights = best.get0();
    if (experts.normalized()) {
      weights = weights.div(weights.sum(new long[] {-1}, true, null));
    }
    var parts = new ArrayList<Part>();
    for (int expert = 0; expert < experts.count(); expert++) {
      var chosen = best.get1().eq(new Scalar(expert));
      var tokens = chosen.nonzero().select(1, 0);
      if (tokens.size(0) > 0) {
        parts.add(new Part(expert, tokens, weights.masked_select(chosen).unsqueeze(1)));
      }
    }
    return parts;
  }
}

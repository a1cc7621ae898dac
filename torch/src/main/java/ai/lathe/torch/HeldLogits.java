package ai.lathe.torch;

import ai.lathe.model.LanguageModel.Logits;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;

/**
 * Logits of one sequence, computed when they are asked for.
 *
 * @param normed {@code [tokens, hidden]}, what the output matrix reads; closed with this
 */
record HeldLogits(TorchHead head, Tensor normed) implements Logits {

  @Override
  public int positions() {
    return (int) normed.size(0);
  }

  @Override
  public void rows(int from, int to, float[] target) {
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      Torch.copy(head.logits(normed.narrow(0, from, to - from)), target, 0);
    }
  }

  @Override
  public void close() {
    normed.close();
  }
}

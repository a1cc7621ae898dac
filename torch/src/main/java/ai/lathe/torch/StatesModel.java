package ai.lathe.torch;

import ai.lathe.model.LanguageModel;
import ai.lathe.model.ModelConfig;
import java.util.function.Function;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;

/**
 * A language model of sequences that have run through all of its blocks.
 *
 * @param head closed with this
 * @param output {@code [tokens, hidden]} of one of these sequences
 */
record StatesModel(ModelConfig config, TorchHead head, Function<int[], Tensor> output)
    implements LanguageModel {

  @Override
  public int vocabularySize() {
    return config.vocabulary();
  }

  @Override
  public int contextLength() {
    return config.context();
  }

  @Override
  public Logits forward(int[] tokens) {
    try (var _ = new NoGradGuard()) {
      return new HeldLogits(head, Torch.owned(() -> head.input(output.apply(tokens))));
    }
  }

  @Override
  public void close() {
    head.close();
  }
}

package ai.lathe.compress.factorization.module;

import ai.lathe.model.Checkpoint;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.HiddenStates;
import ai.lathe.torch.TorchBlock;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** How much each block of a model turns what passes through it. */
final class Influence {

  private Influence() {}

  /**
   * Runs all states through the model, a step of {@code task} for each batch and block.
   *
   * @param states embedded tokens
   * @return of each block, {@code 1 - mean cos(in, out)} over all real tokens
   */
  static double[] of(Checkpoint model, HiddenStates states, Progress.Task task) {
    var influence = new double[model.config().blocks()];
    for (int n = 0; n < influence.length; n++) {
      task.note("block " + n);
      double sum = 0;
      try (var block = TorchBlock.load(model, n);
          var _ = new NoGradGuard()) {
        for (int batch = 0; batch < states.batches(); batch++) {
          try (var _ = new PointerScope()) {
            var input = states.get(batch);
            var output = block.forward(input, states.padding(batch), null);
            sum += cosines(input, output, states.padding(batch));
            states.set(batch, output);
          }
          task.advance(1);
        }
      }
      model.release(n);
      influence[n] = 1 - sum / states.tokens();
    }
    return influence;
  }

  /** Summed over the real tokens. */
  static double cosines(Tensor input, Tensor output, Tensor padding) {
    var x = input.to(ScalarType.Double);
    var y = output.to(ScalarType.Double);
    var cosine = torch.cosine_similarity(x, y, -1, 1e-30);
    return (padding == null ? cosine : cosine.mul(padding.ne(new org.bytedeco.pytorch.Scalar(0))))
        .sum()
        .item_double();
  }
}

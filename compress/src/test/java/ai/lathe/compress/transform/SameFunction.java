package ai.lathe.compress.transform;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.model.Checkpoint;
import ai.lathe.torch.TorchModel;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;

/** Whether two checkpoints are the same function, by their logits. */
final class SameFunction {

  private static final int LENGTH = 96;

  private SameFunction() {}

  /** To 1e-5 of the largest logit. */
  static void check(Checkpoint model, Checkpoint changed) {
    var tokens = sequences(model).getFirst();
    var expected = logits(model, tokens);
    var actual = logits(changed, tokens);
    float largest = 0;
    float difference = 0;
    for (int i = 0; i < expected.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      difference = Math.max(difference, Math.abs(expected[i] - actual[i]));
    }
    assertThat(difference).isLessThan(1e-5f * largest);
  }

  /** Some sequences of a model's own tokens. */
  static List<int[]> sequences(Checkpoint model) {
    int vocabulary = model.config().vocabulary();
    int length = Math.min(LENGTH, model.config().context());
    return IntStream.range(0, 4)
        .mapToObj(
            i -> IntStream.range(0, length).map(j -> (i * 131 + j * j * 7) % vocabulary).toArray())
        .toList();
  }

  /** A tiny model that transformers made, in the tests of the executor. */
  static Path golden(String name) {
    return Path.of("../torch/src/test/resources/golden").resolve(name);
  }

  private static float[] logits(Checkpoint checkpoint, int[] tokens) {
    try (var model = TorchModel.of(checkpoint);
        var logits = model.forward(tokens)) {
      var all = new float[tokens.length * model.vocabularySize()];
      logits.rows(0, tokens.length, all);
      return all;
    }
  }
}

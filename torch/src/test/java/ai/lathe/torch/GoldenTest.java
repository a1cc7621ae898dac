package ai.lathe.torch;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.format.safetensors.Safetensors;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.model.checkpoint.Checkpoints;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Every architecture against Hugging Face transformers; see tools/make_golden.py. */
class GoldenTest {

  /** Small products gain nothing from threads, and lose much where the machine is busy. */
  @BeforeAll
  static void oneThread() {
    Torch.threads(1);
  }

  private static final float TOLERANCE = 1e-4f;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "llama",
        "mistral",
        "mixtral",
        "qwen2",
        "qwen3",
        "qwen3moe",
        "qwen3moe-stacked",
        "bert"
      })
  void agreesWithTransformers(String name) throws URISyntaxException {
    var directory = Path.of(getClass().getResource("/golden/" + name).toURI());
    try (var checkpoint = Checkpoints.open(directory);
        var expected = Safetensors.open(directory.resolve("expected.safetensors"))) {
      var tokens = expected.tensor("tokens");
      var mask = expected.tensor("mask");
      int count = (int) tokens.shape()[0];
      int length = (int) tokens.shape()[1];
      var sequences = new int[count][];
      for (int i = 0; i < count; i++) {
        int real = 0;
        var sequence = new int[length];
        for (int t = 0; t < length; t++) {
          sequence[t] = (int) tokens.getLong((long) i * length + t);
          real += (int) mask.getLong((long) i * length + t);
        }
        sequences[i] = Arrays.copyOf(sequence, real);
      }
      var output = expected.tensor("output");
      int width = (int) output.shape()[2];
      var actual =
          checkpoint.architecture().kind() == ModelKind.DECODER
              ? logits(TorchModel.of(checkpoint), sequences)
              : states(TorchEncoder.of(checkpoint), sequences);
      for (int i = 0; i < count; i++) {
        var wanted = new float[sequences[i].length * width];
        output.copyFloats((long) i * length * width, wanted, 0, wanted.length);
        assertThat(largestDifference(actual[i], wanted)).isLessThan(TOLERANCE);
      }
    }
  }

  private static float[][] logits(TorchModel model, int[][] sequences) {
    try (model) {
      var results = new float[sequences.length][];
      for (int i = 0; i < sequences.length; i++) {
        results[i] = new float[sequences[i].length * model.vocabularySize()];
        try (var logits = model.forward(sequences[i])) {
          logits.rows(0, sequences[i].length, results[i]);
        }
      }
      return results;
    }
  }

  private static float[][] states(TorchEncoder encoder, int[][] sequences) {
    try (encoder) {
      return encoder.encode(List.of(sequences)).stream()
          .map(matrix -> matrix.values())
          .toArray(float[][]::new);
    }
  }

  private static float largestDifference(float[] actual, float[] wanted) {
    assertThat(actual).hasSameSizeAs(wanted);
    float largest = 0;
    for (int i = 0; i < wanted.length; i++) {
      float difference = Math.abs(actual[i] - wanted[i]);
      largest = Float.isNaN(difference) ? Float.MAX_VALUE : Math.max(largest, difference);
    }
    return largest;
  }
}

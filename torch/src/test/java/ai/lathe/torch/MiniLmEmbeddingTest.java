package ai.lathe.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.Matrix;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** all-MiniLM-L6-v2 from its ONNX file against onnxruntime (tools/golden_minilm.py). */
class MiniLmEmbeddingTest {

  private static final double TOLERANCE = 1e-4;

  @TempDir Path folder;

  record Reference(String text, int[] tokens, double[] embedding) {}

  /** Small products gain nothing from threads, and lose much where the machine is busy. */
  @BeforeAll
  static void oneThread() {
    Torch.threads(1);
  }

  @Test
  void embedsAsOnnxruntimeDoes() throws IOException {
    copy("all-minilm-l6-v2.onnx");
    copy("all-minilm-l6-v2-tokenizer.json");
    Reference[] references;
    try (var golden = MiniLmEmbeddingTest.class.getResourceAsStream("/golden/minilm.json")) {
      references = new JsonMapper().readValue(golden, Reference[].class);
    }
    assertThat(references).hasSize(3);
    try (var checkpoint = Checkpoints.open(folder.resolve("all-minilm-l6-v2.onnx"));
        var tokenizer = checkpoint.tokenizer().orElseThrow();
        var encoder = TorchEncoder.of(checkpoint)) {
      var sequences = new ArrayList<int[]>();
      for (var reference : references) {
        var tokens = tokenizer.encode(reference.text());
        assertThat(tokens).isEqualTo(reference.tokens());
        sequences.add(tokens);
      }
      // One batch, padded; the reference ran each alone.
      var embeddings = encoder.encode(sequences).stream().map(MiniLmEmbeddingTest::pooled).toList();
      for (int i = 0; i < references.length; i++) {
        assertThat(embeddings.get(i)).containsExactly(references[i].embedding(), within(TOLERANCE));
      }
      double guitars = dot(embeddings.get(0), embeddings.get(1));
      assertThat(guitars)
          .isGreaterThan(dot(embeddings.get(0), embeddings.get(2)) + 0.5)
          .isGreaterThan(dot(embeddings.get(1), embeddings.get(2)) + 0.5);
    }
  }

  /** The mean over tokens, of length 1. */
  private static double[] pooled(Matrix states) {
    var mean = new double[states.columns()];
    for (int row = 0; row < states.rows(); row++) {
      for (int column = 0; column < mean.length; column++) {
        mean[column] += states.at(row, column);
      }
    }
    double norm = Math.sqrt(dot(mean, mean));
    for (int i = 0; i < mean.length; i++) {
      mean[i] /= norm;
    }
    return mean;
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }

  private void copy(String name) throws IOException {
    try (var input = MiniLmEmbeddingTest.class.getResourceAsStream("/" + name)) {
      Files.copy(input, folder.resolve(name));
    }
  }
}

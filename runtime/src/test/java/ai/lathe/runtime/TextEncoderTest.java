package ai.lathe.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.runtime.TextEncoder.TooLong;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** all-MiniLM-L6-v2 from its ONNX file, against onnxruntime (tools/golden_minilm.py). */
class TextEncoderTest {

  /** What tools/golden_minilm.py wrote for the other executor. */
  private static final Path GOLDEN = Path.of("../torch/src/test/resources/golden/minilm.json");

  @TempDir static Path folder;

  private static TextEncoder encoder;

  record Reference(String text, int[] tokens, double[] embedding) {}

  @BeforeAll
  static void open() throws IOException {
    copy("all-minilm-l6-v2.onnx", "model.onnx");
    copy("all-minilm-l6-v2-tokenizer.json", "tokenizer.json");
    encoder =
        TextEncoder.open(folder.toString(), RuntimeOptions.DEFAULT.withThreads(2), Progress.NONE);
  }

  private static void copy(String resource, String name) throws IOException {
    try (var stream = TextEncoderTest.class.getResourceAsStream("/" + resource)) {
      Files.copy(stream, folder.resolve(name));
    }
  }

  @AfterAll
  static void close() {
    encoder.close();
    assertThatThrownBy(() -> encoder.embed("late")).isInstanceOf(ClosedModelException.class);
    encoder.close();
  }

  private static Reference[] references() throws IOException {
    return new JsonMapper().readValue(GOLDEN.toFile(), Reference[].class);
  }

  @Test
  void embedsAsOnnxruntimeDoes() throws IOException {
    var references = references();
    var texts = Arrays.stream(references).map(Reference::text).toList();
    // One batch of different lengths; the reference ran each alone.
    var embeddings = encoder.embed(texts, TooLong.REFUSE);
    assertThat(embeddings).hasSize(references.length);
    for (int i = 0; i < references.length; i++) {
      var expected = references[i].embedding();
      assertThat(encoder.dimensions()).isEqualTo(expected.length);
      for (int j = 0; j < expected.length; j++) {
        assertThat((double) embeddings.get(i)[j]).isCloseTo(expected[j], within(1e-4));
      }
    }
  }

  @Test
  void severalThreadsGetTheSame() throws Exception {
    var texts = List.of("a guitar", "two guitars, and an accordion that nobody can play");
    var expected = encoder.embed(texts, TooLong.REFUSE);
    try (var pool = Executors.newFixedThreadPool(4)) {
      var futures =
          IntStream.range(0, 8)
              .mapToObj(i -> pool.submit(() -> encoder.embed(texts, TooLong.REFUSE)))
              .toList();
      for (var future : futures) {
        var actual = future.get();
        assertThat(actual.get(0)).containsExactly(expected.get(0));
        assertThat(actual.get(1)).containsExactly(expected.get(1));
      }
    }
  }

  @Test
  void aTextThatIsTooLong() {
    var text = "word ".repeat(encoder.contextLength() + 10);
    assertThatThrownBy(() -> encoder.embed(text))
        .isInstanceOf(LatheException.class)
        .hasMessageMatching("text 0 has \\d+ tokens; the model takes 512");
    assertThat(encoder.embed(List.of(text), TooLong.TRUNCATE).getFirst())
        .hasSize(encoder.dimensions());
  }

  @Test
  void aDecoderIsRefused() {
    assertThatThrownBy(
            () ->
                TextEncoder.open(
                    "../torch/src/test/resources/golden/llama",
                    RuntimeOptions.DEFAULT,
                    Progress.NONE))
        .isInstanceOf(LatheException.class);
  }
}

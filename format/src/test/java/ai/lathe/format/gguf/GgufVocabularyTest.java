package ai.lathe.format.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The vocabulary files that llama.cpp keeps for its own tests, written by its converter. */
class GgufVocabularyTest {

  @TempDir Path directory;

  @ParameterizedTest
  @CsvSource({
    "llama-spm, llama, llama, 32000",
    "gpt-2, gpt2, gpt2, 50257",
    "gpt-neox, gptneox, gpt2, 50432",
    "phi-3, phi3, llama, 32064",
    "bert-bge, bert, bert, 30522",
  })
  void isReadAndWrittenAgainUnchanged(
      String name, String architecture, String tokenizer, int tokens) throws Exception {
    var path = data().resolve("tokenizers/ggml-vocab-" + name + ".gguf");
    assumeTrue(Files.exists(path), "needs " + path);
    var copy = directory.resolve("copy.gguf");
    try (var file = GgufFile.open(path)) {
      var metadata = file.metadata();
      assertThat(metadata.string("general.architecture")).isEqualTo(architecture);
      assertThat(metadata.string("tokenizer.ggml.model")).isEqualTo(tokenizer);
      assertThat(metadata.strings("tokenizer.ggml.tokens")).hasSize(tokens);
      assertThat(metadata.integers("tokenizer.ggml.token_type")).hasSize(tokens);
      assertThat(metadata.integer(architecture + ".block_count")).isPositive();
      assertThat(file.tensors()).isEmpty();
      try (var writer = GgufWriter.create(copy, metadata, List.of())) {
        writer.finish();
      }
      // The same bytes but for the version (some are older) and the padding at the end.
      var original = Files.readAllBytes(path);
      var written = Files.readAllBytes(copy);
      int length = Math.min(original.length, written.length);
      assertThat(Math.abs(original.length - written.length)).isLessThan(32);
      assertThat(Arrays.mismatch(original, 8, length, written, 8, length)).isEqualTo(-1);
    }
  }

  private static Path data() {
    for (var folder = Path.of("").toAbsolutePath(); folder != null; folder = folder.getParent()) {
      if (Files.isDirectory(folder.resolve("shared/data"))) {
        return folder.resolve("shared/data");
      }
    }
    assumeTrue(false, "needs shared/data in a folder above");
    throw new AssertionError();
  }
}

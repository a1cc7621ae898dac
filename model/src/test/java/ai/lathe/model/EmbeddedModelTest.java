package ai.lathe.model;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.model.checkpoint.Checkpoints;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EmbeddedModelTest {

  @TempDir Path directory;

  @Test
  void opensAsALlamaWhoseTokenizerAddsBos() throws IOException {
    var embedded = EmbeddedModel.extract(directory);
    try (var checkpoint = Checkpoints.open(embedded.directory());
        var tokenizer = checkpoint.tokenizer().orElseThrow()) {
      assertThat(checkpoint.architecture().name()).isEqualTo("llama");
      assertThat(checkpoint.config().vocabulary()).isEqualTo(tokenizer.vocabularySize());
      var text = Files.readString(embedded.heldOut()).substring(0, 2000) + " zażółć 🦊";
      var tokens = tokenizer.encode(text);
      assertThat(tokens[0]).isEqualTo(checkpoint.config().beginToken().orElseThrow());
      assertThat(tokenizer.encodePlain(text)).hasSize(tokens.length - 1);
      assertThat(tokenizer.decode(tokenizer.encodePlain(text))).isEqualTo(text);
    }
  }

  /** K-quants hold 256 weights a block. */
  @Test
  void everyRowFillsWholeBlocks() {
    var embedded = EmbeddedModel.extract(directory);
    try (var checkpoint = Checkpoints.open(embedded.directory())) {
      for (var linear : checkpoint.architecture().linears()) {
        assertThat(checkpoint.config().size(linear.columns(), 0) % 256).isZero();
      }
    }
  }

  @Test
  void calibrationAndHeldOutTextShareNoParagraph() throws IOException {
    var embedded = EmbeddedModel.extract(directory);
    var calibration = Files.readString(embedded.calibration());
    var shared =
        Files.readString(embedded.heldOut())
            .lines()
            .filter(line -> line.length() > 60 && calibration.contains(line));
    assertThat(shared).isEmpty();
  }

  @Test
  void repairsAFileThatIsNotWhatItShouldBe() throws IOException {
    var embedded = EmbeddedModel.extract(directory);
    var config = embedded.directory().resolve("config.json");
    var before = Files.readAllBytes(config);
    Files.writeString(config, "{}");
    EmbeddedModel.extract(directory);
    assertThat(config).hasBinaryContent(before);
  }
}

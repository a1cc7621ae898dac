package ai.lathe.model.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.model.Address;
import ai.lathe.model.architecture.Role;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** all-MiniLM-L6-v2 as Maven Central has it: ONNX and tokenizer.json, no configuration. */
class MiniLmTest {

  @TempDir Path folder;

  @Test
  void opensConvertsAndTokenizes() throws Exception {
    copy("all-minilm-l6-v2.onnx");
    copy("all-minilm-l6-v2-tokenizer.json");
    try (var model = Checkpoints.open(folder.resolve("all-minilm-l6-v2.onnx"))) {
      var config = model.config();
      assertThat(model.architecture().name()).isEqualTo("bert");
      assertThat(config.blocks()).isEqualTo(6);
      assertThat(config.hidden()).isEqualTo(384);
      assertThat(config.heads()).isEqualTo(12);
      assertThat(config.feedForward()).isEqualTo(1536);
      assertThat(config.vocabulary()).isEqualTo(30522);
      assertThat(config.context()).isEqualTo(512);
      // 3 embeddings and a norm with bias; 6 blocks of 6 linears and 2 norms, each with a bias
      assertThat(model.addresses()).hasSize(101);
      assertThat(model.matrix(0, Role.UP).rows()).isEqualTo(1536);
      assertThat(model.bytes()).isEqualTo(Models.bytesBelow(folder));
      // From BertTokenizerFast of bert-base-uncased.
      assertThat(model.tokenizer().orElseThrow().encode("This is an example sentence"))
          .containsExactly(101, 2023, 2003, 2019, 2742, 6251, 102);

      var gguf = folder.resolve("minilm.gguf");
      var plan = CheckpointWriters.gguf(gguf, model, Models.asStored(model));
      Models.copy(model, plan, Models.asStored(model));
      try (var converted = Checkpoints.open(gguf)) {
        var query = Address.weight(5, Role.QUERY);
        assertThat(Models.values(converted, query)).isEqualTo(Models.values(model, query));
        var text = "Unaffable Z\u00fcrich, 1,000 \u4e2d\u6587!";
        assertThat(converted.tokenizer().orElseThrow().encode(text))
            .isEqualTo(model.tokenizer().orElseThrow().encode(text));
      }
    }
  }

  private void copy(String name) throws IOException {
    try (var input = MiniLmTest.class.getResourceAsStream("/" + name)) {
      Files.copy(input, folder.resolve(name));
    }
  }
}

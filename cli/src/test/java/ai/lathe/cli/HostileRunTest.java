package ai.lathe.cli;

import static ai.lathe.cli.MainTest.assertMistake;
import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.model.EmbeddedModel;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** run, chat and embed on models that cannot do it. */
class HostileRunTest {

  /** Of every architecture, without tokenizers. */
  private static final Path TINY = Path.of("../torch/src/test/resources/golden");

  @TempDir Path folder;

  private Path model;

  @BeforeEach
  void takeAPart() {
    model = EmbeddedModel.extract(folder.resolve("model")).directory();
  }

  private Invocation run(String... more) {
    var all = new String[more.length + 4];
    all[0] = "run";
    all[1] = model.toString();
    all[2] = "--kernels";
    all[3] = "scalar";
    System.arraycopy(more, 0, all, 4, more.length);
    return Invocation.of(all);
  }

  @ParameterizedTest
  @CsvSource({
    "model.layers.1.self_attn.k_proj.weight, KEY of block 1",
    "model.layers.0.mlp.down_proj.weight, DOWN of block 0",
  })
  void theLayerThatGivesNoNumberIsNamed(String tensor, String layer) throws IOException {
    poison(tensor);
    assertMistake(run("-p", "Once upon a time", "-n", "4"), "NaN or infinity", layer);
    // A conversation says so for each message, and ends when it is told to.
    Files.writeString(model.resolve("chat_template.jinja"), ChattyModel.TEMPLATE);
    var chat =
        Invocation.withInput(
            "one\ntwo\n".getBytes(StandardCharsets.UTF_8), "chat", model.toString());
    assertThat(chat.code()).isEqualTo(Main.BAD_INPUT);
    assertThat(chat.out()).isEmpty();
    assertThat(chat.err().lines()).hasSize(2).allMatch(line -> line.contains(layer));
  }

  @Test
  void aModelWithoutTokenizerIsRefused() throws IOException {
    Files.delete(model.resolve("tokenizer.json"));
    assertMistake(run("-p", "x"), "no tokenizer");
    assertMistake(Invocation.of("chat", model.toString()), "no tokenizer");
  }

  @Test
  void aModelIsRefusedByWhatItIsNot() throws IOException {
    assertMistake(Invocation.of("embed", model.toString(), "x"), "is a decoder, not an encoder");
    var encoder = TINY.resolve("bert");
    for (var name : new String[] {"config.json", "model.safetensors"}) {
      Files.copy(
          encoder.resolve(name), Files.createDirectories(folder.resolve("bert")).resolve(name));
    }
    Files.copy(model.resolve("tokenizer.json"), folder.resolve("bert/tokenizer.json"));
    assertMistake(
        Invocation.of("run", folder.resolve("bert").toString(), "-p", "x"),
        "bert is an encoder and predicts no next token");
  }

  /** The tokenizer knows more tokens than the model: those it can read are read. */
  @Test
  void tokensBeyondTheEmbeddingAreNamed() throws IOException {
    var file = model.resolve("tokenizer.json").toFile();
    var json = new JsonMapper();
    var tokenizer = (ObjectNode) json.readTree(file);
    tokenizer
        .withArray("added_tokens")
        .addObject()
        .put("id", 1_000_000)
        .put("content", "<far>")
        .put("single_word", false)
        .put("lstrip", false)
        .put("rstrip", false)
        .put("normalized", false)
        .put("special", true);
    json.writeValue(file, tokenizer);
    assertMistake(
        run("-p", "Once <far> upon"),
        "of the prompt is 1024; the model's tokens are from 0 to 1023");
    assertThat(run("-p", "Once upon", "-n", "2").code()).isZero();
  }

  /** Makes the last value of a tensor in bfloat16 NaN. */
  private void poison(String tensor) throws IOException {
    var file = model.resolve("model.safetensors");
    var bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    int header = (int) bytes.getLong(0);
    var entry = new JsonMapper().readTree(bytes.array(), 8, header).get(tensor);
    assertThat(entry.get("dtype").asText()).isEqualTo("BF16");
    bytes.putShort(8 + header + entry.at("/data_offsets/1").asInt() - 2, (short) 0x7fc0);
    Files.write(file, bytes.array());
  }
}

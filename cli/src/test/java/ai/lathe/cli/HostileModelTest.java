package ai.lathe.cli;

import static ai.lathe.cli.MainTest.assertMistake;
import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.model.EmbeddedModel;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** compress on models and texts that cannot be compressed. */
class HostileModelTest {

  @TempDir Path folder;

  private Path model;
  private Path text;

  @BeforeEach
  void takeAPart() throws IOException {
    var embedded = EmbeddedModel.extract(folder.resolve("model"));
    model = embedded.directory();
    text = Files.copy(embedded.heldOut(), folder.resolve("text.txt"));
  }

  @ParameterizedTest
  @CsvSource({
    "model.layers.1.self_attn.k_proj.weight, gptq, block 1",
    "model.layers.1.mlp.down_proj.weight, rtn, layers.1.mlp.down_proj",
    // No calibration text need hold the token whose embedding it is.
    "model.embed_tokens.weight, gptq, embed_tokens",
  })
  void notANumberIsRefusedByName(String tensor, String method, String named) throws IOException {
    poison(tensor);
    var run = compress("--method", method);
    assertThat(run.code()).isEqualTo(Main.BAD_INPUT);
    assertThat(run.out()).isEmpty();
    // Notes and the estimate come before it.
    assertThat(run.err().lines().toList().getLast()).startsWith("lathe: ").contains("NaN", named);
    assertThat(folder.resolve("out")).doesNotExist();
  }

  @Test
  void aModelWithoutTokenizerIsRefused() throws IOException {
    Files.delete(model.resolve("tokenizer.json"));
    assertMistake(compress(), "no tokenizer");
  }

  @Test
  void anUnknownArchitectureIsRefused() throws IOException {
    var file = model.resolve("config.json").toFile();
    var json = new JsonMapper();
    var config = (ObjectNode) json.readTree(file);
    json.writeValue(file, config.put("model_type", "lama"));
    assertMistake(compress(), "did you mean 'llama'?");
  }

  @Test
  void anEmptyTextIsRefused() throws IOException {
    Files.writeString(text, "");
    assertMistake(compress(), "text.txt is empty");
  }

  @Test
  void forceReplacesTheWeightsAndKeepsOtherFiles() throws IOException {
    var out = Files.createDirectory(folder.resolve("out"));
    Files.writeString(out.resolve("notes.txt"), "mine");
    Files.writeString(out.resolve("model.safetensors"), "old");
    assertMistake(compress("--method", "rtn"), "--force");
    assertThat(out.resolve("model.safetensors")).hasContent("old");

    var forced = compress("--method", "rtn", "--force");
    assertThat(forced.code()).as(forced.err()).isZero();
    assertThat(out.resolve("notes.txt")).hasContent("mine");
    assertThat(Files.size(out.resolve("model.safetensors"))).isGreaterThan(100_000);
  }

  private Invocation compress(String... more) {
    String[] fixed = {
      "compress",
      model.toString(),
      "-o",
      folder.resolve("out").toString(),
      "--group-size",
      "32",
      "--samples",
      "4",
      "--seq-len",
      "64",
      "--data",
      text.toString()
    };
    var all = new String[fixed.length + more.length];
    System.arraycopy(fixed, 0, all, 0, fixed.length);
    System.arraycopy(more, 0, all, fixed.length, more.length);
    return Invocation.of(all);
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

package ai.lathe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InspectCommandTest {

  @Test
  void jsonAddsUp() {
    var stories = SharedData.file("models/stories260K");
    var inspect = Invocation.of("inspect", stories.toString(), "--json");
    var json = inspect.json();
    assertThat(inspect.code()).isZero();
    assertThat(inspect.err()).isEmpty();
    assertThat(json.get("architecture").asText()).isEqualTo("llama");
    assertThat(json.get("parameters").asLong()).isEqualTo(260_032);
    assertThat(json.get("bits_per_weight").asDouble()).isEqualTo(32);
    assertThat(json.at("/config/key_value_heads").asInt()).isEqualTo(4);
    assertThat(json.at("/tokenizer/vocabulary").asInt()).isEqualTo(512);
    long bytes = 0;
    for (var tensor : json.get("tensors")) {
      bytes += tensor.get("bytes").asLong();
    }
    assertThat(bytes).isEqualTo(json.get("weight_bytes").asLong()).isEqualTo(4 * 260_032);
    assertThat(json.get("bytes").asLong()).isGreaterThan(bytes);
  }

  @Test
  void theTableGroupsWhatLooksTheSame() {
    var stories = SharedData.file("models/stories260K");
    var inspect = Invocation.of("inspect", stories.toString());
    assertThat(inspect.out()).containsPattern("gate +\\[172, 64\\] +F32 +5 +220,160");
  }

  @Test
  void everyTensorHasALineWhereAskedFor() {
    var stories = SharedData.file("models/stories260K");
    var inspect = Invocation.of("inspect", stories.toString(), "--tensors");
    assertThat(inspect.out())
        .containsPattern("model.layers.4.mlp.down_proj +\\[64, 172\\] +F32 +44,032");
  }

  @Test
  void aModelThatIsNotThereIsOneLine() {
    MainTest.assertMistake(Invocation.of("inspect", "/no/such/model"), "/no/such/model");
  }

  @Test
  void aBrokenFileIsOneLine(@TempDir Path folder) throws IOException {
    var file = Files.writeString(folder.resolve("model.gguf"), "GGUF but not really");
    MainTest.assertMistake(Invocation.of("inspect", file.toString(), "--json"), "model.gguf");
  }

  @Test
  void theModelIsRequired() {
    MainTest.assertMistake(Invocation.of("inspect"), "missing required parameter: 'MODEL'");
  }
}

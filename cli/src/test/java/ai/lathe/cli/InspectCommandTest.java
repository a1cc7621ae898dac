package ai.lathe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.model.Address;
import ai.lathe.model.BlockWidths;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.NarrowedCheckpoint;
import ai.lathe.model.RotaryPairs;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.checkpoint.CheckpointWriters;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
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

  /** Its first block has 100 features of 172 and keeps 3 pairs of 4 in each head. */
  @Test
  void narrowerBlocksAreSaid(@TempDir Path folder) {
    try (var stories = Checkpoints.open(SharedData.file("models/stories260K"))) {
      var widths = new ArrayList<>(Collections.nCopies(5, new BlockWidths(172, 8, 8)));
      widths.set(0, new BlockWidths(100, 6, 5));
      var narrow = stories.config().narrowed(stories.architecture(), widths);
      var changed = new LinkedHashMap<Address, Dense>();
      for (var address : stories.addresses()) {
        var shape = narrow.shape(stories.architecture(), address);
        if (!Arrays.equals(shape, stories.config().shape(stories.architecture(), address))) {
          int size = (int) Tensor.elements(shape);
          changed.put(address, new Dense(Tensor.ofFloats(new float[size], shape)));
        }
      }
      var pairs = new RotaryPairs(Collections.nCopies(4, List.of(0, 2, 3))).tensor();
      var model =
          new NarrowedCheckpoint(
              stories, widths, changed, Map.of(Address.weight(0, Role.ROTARY_PAIRS), pairs));
      write(model, folder.resolve("narrow"));
    }
    var path = folder.resolve("narrow").toString();
    assertThat(Invocation.of("inspect", path).out())
        .contains(
            "widths        feed-forward of 100 to 172, query and key heads of 6 to 8, value heads of 5 to 8")
        .containsPattern("rotary pairs +\\[4, 3\\] +I32 +1 +48")
        .containsPattern("attention output +\\[64, 40 to 64\\] +F32 +5 +75,776");
    var json = Invocation.of("inspect", path, "--json").json();
    assertThat(json.at("/config/widths/0/key_size").asInt()).isEqualTo(6);
    // What is gone of the feed-forward, of queries and keys, of values and what reads them.
    int gone = 3 * 72 * 64 + 2 * 12 * 64 + 3 * 12 * 64;
    assertThat(json.get("parameters").asInt()).isEqualTo(260_032 - gone);
  }

  private static void write(Checkpoint model, Path directory) {
    var matrices = new LinkedHashMap<Address, Encoding>();
    for (var address : model.addresses()) {
      if (!address.isVector(model.architecture())) {
        matrices.put(address, model.matrix(address).encoding());
      }
    }
    try (var writer = CheckpointWriters.huggingFace(directory, model, matrices).create()) {
      for (var address : model.addresses()) {
        if (matrices.containsKey(address)) {
          writer.write(address, model.matrix(address));
        } else {
          writer.write(address, model.vector(address).orElseThrow());
        }
      }
      writer.finish();
    }
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

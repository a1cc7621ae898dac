package ai.lathe.model.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.model.hub.ModelId;
import ai.lathe.tensor.LatheException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Whether a model's name means a place here or on a hub. */
class ModelLocationTest {

  private static final Path DOWNLOADED = Path.of("downloaded");

  private final List<String> asked = new ArrayList<>();

  private Path locate(String model) {
    return Checkpoints.locate(model, this::download);
  }

  private Path download(ModelId id) {
    asked.add(id.toString());
    return DOWNLOADED;
  }

  @Test
  void whatExistsWinsOverAHub() {
    // The tests run in the module's folder.
    assertThat(Files.isDirectory(Path.of("src/test"))).isTrue();
    assertThat(ModelId.parse("src/test")).isPresent();
    assertThat(locate("src/test")).isEqualTo(Path.of("src/test"));
    assertThat(asked).isEmpty();
  }

  @Test
  void whatDoesNotExistMayBeOnAHub() {
    assertThat(locate("acme/tiny")).isEqualTo(DOWNLOADED);
    assertThat(locate("acme/tiny@v1:q/tiny.gguf")).isEqualTo(DOWNLOADED);
    assertThat(asked).containsExactly("acme/tiny", "acme/tiny@v1:q/tiny.gguf");
  }

  @Test
  void whatIsNoNameOfAHubIsAPathOrRefused() {
    assertThat(locate("absent.gguf")).isEqualTo(Path.of("absent.gguf"));
    assertThat(locate("./acme/tiny")).isEqualTo(Path.of("./acme/tiny"));
    assertThatThrownBy(() -> locate("acme/\0"))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("is no path");
    assertThat(asked).isEmpty();
  }
}

package ai.lathe.model.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What people type, what the environment says, and what the file system allows. */
class NamesAndSettingsTest {

  @TempDir Path folder;

  @Test
  void namesAreReadWhole() {
    assertThat(ModelId.parse("Qwen/Qwen2.5-0.5B"))
        .contains(new ModelId("Qwen", "Qwen2.5-0.5B", "main", Optional.empty()));
    assertThat(ModelId.parse("a_b/c@refs/pr/3"))
        .contains(new ModelId("a_b", "c", "refs/pr/3", Optional.empty()));
    assertThat(ModelId.parse("a/b-GGUF@v1.0:q/x-Q4_K.gguf"))
        .contains(new ModelId("a", "b-GGUF", "v1.0", Optional.of("q/x-Q4_K.gguf")));
    for (var text : List.of("a/b", "a/b@v1", "a/b:c.gguf", "a/b@v1:c/d.gguf")) {
      assertThat(ModelId.parse(text).orElseThrow()).hasToString(text);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "model",
        "a/b/c",
        "/a/b",
        "./model",
        "../model",
        "a/",
        "/b",
        "a/b@",
        "a/b@../x",
        "a/b:",
        "a/b:x.bin",
        "a/b:../x.gguf",
        "a/b:/x.gguf",
        "a/b--c",
        "a/b..c",
        "a/b.git",
        "-a/b",
        "a/b-",
        "a b/c",
        "a\\b",
        "a/b@x y",
        "a/b\n",
        "ä/b",
        "~/model",
        "C:/model",
        "a/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
      })
  void whatIsNoNameIsNone(String text) {
    assertThat(ModelId.parse(text)).isEmpty();
  }

  @Test
  void theEnvironmentMeansWhatItMeansToHuggingfaceHub() throws IOException {
    var home = folder.toString();
    var usual = HubSettings.of(Map.of("HOME", home));
    assertThat(usual)
        .isEqualTo(
            new HubSettings(
                URI.create("https://huggingface.co"),
                folder.resolve(".cache/huggingface/hub"),
                Optional.empty(),
                false,
                Duration.ofSeconds(10),
                Duration.ofSeconds(1)));

    var all =
        Map.of(
            "HOME", home,
            "HF_HOME", "~/hf",
            "HF_ENDPOINT", "http://localhost:8080/hub/",
            "HF_TOKEN", " hf_x\n",
            "HF_HUB_OFFLINE", "YES",
            "HF_HUB_DOWNLOAD_TIMEOUT", "30",
            "HF_HUB_CACHE", "");
    var settings = HubSettings.of(all);
    assertThat(settings.cache()).isEqualTo(folder.resolve("hf/hub"));
    assertThat(settings.endpoint()).hasToString("http://localhost:8080/hub");
    assertThat(settings.token()).contains("hf_x");
    assertThat(settings.offline()).isTrue();
    assertThat(settings.patience()).isEqualTo(Duration.ofSeconds(30));

    Files.createDirectories(folder.resolve("hf"));
    Files.writeString(folder.resolve("hf/token"), "hf_from_file\n");
    var fromFile =
        HubSettings.of(Map.of("HF_HOME", home + "/hf", "HF_HUB_CACHE", home + "/elsewhere"));
    assertThat(fromFile.token()).contains("hf_from_file");
    assertThat(fromFile.cache()).isEqualTo(folder.resolve("elsewhere"));
    assertThat(fromFile.toString()).doesNotContain("hf_from_file");
  }

  @ParameterizedTest
  @ValueSource(strings = {"huggingface.co", "ftp://x", "http://", "https://a b", "file:///x"})
  void aWrongEndpointIsNamed(String endpoint) {
    assertThatThrownBy(() -> HubSettings.of(Map.of("HF_ENDPOINT", endpoint)))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("HF_ENDPOINT")
        .hasMessageContaining("https://huggingface.co");
  }

  @ParameterizedTest
  @ValueSource(strings = {"0", "-1", "ten", "99999999"})
  void aWrongTimeoutIsNamed(String seconds) {
    assertThatThrownBy(() -> HubSettings.of(Map.of("HF_HUB_DOWNLOAD_TIMEOUT", seconds)))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("'" + seconds + "'");
  }

  @Test
  void aTokenOfSeveralLinesIsRefusedWithoutBeingShown() {
    assertThatThrownBy(() -> HubSettings.of(Map.of("HF_TOKEN", "hf_a\nX: b")))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("HF_TOKEN")
        .hasMessageNotContaining("hf_a\n");
  }

  @ParameterizedTest
  @EnumSource(Cache.Link.class)
  void everyWayToLinkLeadsToTheBytes(Cache.Link way) throws IOException {
    var cache = new Cache(folder, FakeHub.ID, List.of(way));
    Files.createDirectories(cache.blob("tag").getParent());
    Files.writeString(cache.blob("tag"), "bytes");
    for (int i = 0; i < 2; i++) {
      cache.link(FakeHub.COMMIT, "folder/config.json", "tag");
      assertThat(cache.snapshot(FakeHub.COMMIT).resolve("folder/config.json")).hasContent("bytes");
    }
    assertThat(cache.files(FakeHub.COMMIT)).containsExactly("folder/config.json");
    try (var files = Files.list(cache.snapshot(FakeHub.COMMIT).resolve("folder"))) {
      assertThat(files).hasSize(1);
    }
  }
}

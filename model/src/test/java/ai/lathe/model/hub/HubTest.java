package ai.lathe.model.hub;

import static ai.lathe.model.hub.FakeHub.COMMIT;
import static ai.lathe.model.hub.FakeHub.ID;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Downloads that go well, and what they leave in the cache. */
class HubTest {

  @TempDir Path cache;
  private final FakeHub server = FakeHub.withCheckpoint();

  @AfterEach
  void stop() {
    server.close();
  }

  private Path snapshot(String id) {
    return FakeHub.hub(server.settings(cache), Progress.NONE)
        .snapshot(ModelId.parse(id).orElseThrow());
  }

  private HubSettings offline() {
    var online = server.settings(cache);
    return new HubSettings(
        online.endpoint(), cache, online.token(), true, online.patience(), online.pause());
  }

  @Test
  void aFreshDownloadHasTheLayoutOfHuggingfaceHub() throws IOException {
    var snapshot = snapshot("acme/tiny");

    var model = cache.resolve("models--acme--tiny");
    assertThat(snapshot).isEqualTo(model.resolve("snapshots").resolve(COMMIT));
    assertThat(model.resolve("refs/main")).hasContent(COMMIT);
    for (var name :
        new String[] {
          "config.json",
          "generation_config.json",
          "tokenizer.json",
          "chat_template.jinja",
          "1_Pooling/config.json",
          "model.safetensors"
        }) {
      assertThat(snapshot.resolve(name)).hasBinaryContent(server.files.get(name));
      assertThat(Files.readSymbolicLink(snapshot.resolve(name)))
          .isEqualTo(
              Path.of(name.contains("/") ? "../../../blobs" : "../../blobs")
                  .resolve(server.etag(name)));
    }
    try (var files = Files.walk(snapshot);
        var blobs = Files.list(model.resolve("blobs"))) {
      assertThat(files.filter(Files::isRegularFile)).hasSize(6);
      assertThat(blobs).hasSize(6).noneMatch(blob -> blob.toString().contains("incomplete"));
    }
  }

  @Test
  void whatIsCachedIsNotAskedForAgain() {
    var first = snapshot("acme/tiny");
    server.asked.clear();
    server.storageAsked.clear();

    assertThat(snapshot("acme/tiny")).isEqualTo(first);
    assertThat(server.fileRequests()).isEmpty();

    server.asked.clear();
    assertThat(FakeHub.hub(offline(), Progress.NONE).snapshot(ID)).isEqualTo(first);
    assertThat(server.asked).isEmpty();
  }

  @Test
  void aHubOutOfOrderLeavesTheCache() {
    var first = snapshot("acme/tiny");
    server.unavailable.set(1000);
    assertThat(snapshot("acme/tiny")).isEqualTo(first);
    assertThat(server.asked).hasSizeGreaterThan(Transport.ATTEMPTS);

    server.close();
    assertThat(snapshot("acme/tiny")).isEqualTo(first);
  }

  @Test
  void offlineRefusesWhatIsMissingOrIncomplete() throws IOException {
    var hub = FakeHub.hub(offline(), Progress.NONE);
    assertThatThrownBy(() -> hub.snapshot(ID))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("acme/tiny: not (or not wholly) in the cache " + cache)
        .hasMessageContaining("HF_HUB_OFFLINE");

    Files.delete(snapshot("acme/tiny").resolve("model.safetensors"));
    assertThatThrownBy(() -> hub.snapshot(ID)).hasMessageContaining("HF_HUB_OFFLINE");
  }

  @Test
  void theTokenStaysWithTheHub() {
    snapshot("acme/tiny");
    assertThat(server.asked).allMatch(r -> "Bearer hf_secret".equals(r.authorization()));
    assertThat(server.storageAsked).hasSize(1).allMatch(r -> r.authorization() == null);
    assertThat(server.settings(cache).toString()).doesNotContain("hf_secret");
  }

  @Test
  void onlyTheShardsOfTheIndexAreFetched() {
    server.files.remove("model.safetensors");
    server.files.put("model-00001-of-00002.safetensors", FakeHub.weights(300, 2));
    server.files.put("model-00002-of-00002.safetensors", FakeHub.weights(400, 3));
    server.files.put("consolidated.safetensors", FakeHub.weights(700, 4));
    server.put(
        "model.safetensors.index.json",
        """
        {"weight_map": {"a": "model-00001-of-00002.safetensors",
                        "b": "model-00002-of-00002.safetensors",
                        "c": "model-00001-of-00002.safetensors"}}""");
    var snapshot = snapshot("acme/tiny");
    assertThat(snapshot.resolve("model-00002-of-00002.safetensors"))
        .hasBinaryContent(FakeHub.weights(400, 3));
    assertThat(snapshot.resolve("consolidated.safetensors")).doesNotExist();
    assertThat(server.fileRequests()).doesNotHaveDuplicates();
    assertThat(FakeHub.hub(offline(), Progress.NONE).snapshot(ID)).isEqualTo(snapshot);
  }

  @Test
  void aNamedGgufComesAlone() {
    server.files.put("gguf/tiny Q4_K.gguf", FakeHub.weights(2000, 5));
    var file = snapshot("acme/tiny:gguf/tiny Q4_K.gguf");
    assertThat(file).hasBinaryContent(FakeHub.weights(2000, 5));
    assertThat(file.getParent().getParent().resolve("config.json")).doesNotExist();
    assertThatThrownBy(() -> snapshot("acme/tiny:gguf/tiny-Q4_K.gguf"))
        .hasMessageContaining("did you mean 'gguf/tiny Q4_K.gguf'?");
  }

  @Test
  void aSplitGgufComesWithAllItsParts() {
    for (int part = 1; part <= 3; part++) {
      server.files.put("t-0000" + part + "-of-00003.gguf", FakeHub.weights(100, part));
    }
    var first = snapshot("acme/tiny:t-00001-of-00003.gguf");
    assertThat(first.resolveSibling("t-00003-of-00003.gguf"))
        .hasBinaryContent(FakeHub.weights(100, 3));
    server.files.remove("t-00002-of-00003.gguf");
    assertThatThrownBy(() -> snapshot("acme/tiny:t-00001-of-00003.gguf"))
        .hasMessageContaining("2 of 00003 parts");
  }

  @Test
  void aRevisionWithSlashesHasItsOwnReference() {
    snapshot("acme/tiny@refs/pr/7");
    assertThat(cache.resolve("models--acme--tiny/refs/refs/pr/7")).hasContent(COMMIT);
    assertThat(server.asked.getFirst().path()).endsWith("/revision/refs/pr/7");
    snapshot("acme/tiny@" + COMMIT);
    assertThat(cache.resolve("models--acme--tiny/refs").resolve(COMMIT)).doesNotExist();
  }

  @Test
  void progressCountsEveryByteOnce() {
    var total = new AtomicLong();
    var done = new AtomicLong();
    server.cuts.put("model.safetensors", new AtomicInteger(2));
    Progress counting =
        (what, steps) -> {
          total.addAndGet(steps);
          return new Progress.Task() {
            @Override
            public void advance(long by) {
              done.addAndGet(by);
            }

            @Override
            public void note(String message) {}

            @Override
            public void close() {}
          };
        };
    FakeHub.hub(server.settings(cache), counting).snapshot(ID);
    assertThat(done).hasValue(total.get());
    assertThat(total.get()).isGreaterThan(5000);
  }

  @Test
  void concurrentDownloadsFetchEveryFileOnce() throws Exception {
    server.files.put("model.safetensors", FakeHub.weights(3_000_000, 6));
    try (var threads = Executors.newFixedThreadPool(4)) {
      Callable<Path> download = () -> snapshot("acme/tiny");
      for (var result : threads.invokeAll(IntStream.range(0, 4).mapToObj(i -> download).toList())) {
        assertThat(result.get().resolve("model.safetensors"))
            .hasBinaryContent(FakeHub.weights(3_000_000, 6));
      }
    }
    assertThat(server.storageAsked).hasSize(1);
    try (var blobs = Files.list(cache.resolve("models--acme--tiny/blobs"))) {
      assertThat(blobs).hasSize(6);
    }
  }
}

package ai.lathe.model.hub;

import static ai.lathe.model.hub.FakeHub.ID;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Networks that break and servers that lie. */
class HubFailureTest {

  private static final String WEIGHTS = "model.safetensors";

  @TempDir Path cache;
  private final FakeHub server = FakeHub.withCheckpoint();

  @AfterEach
  void stop() {
    server.close();
  }

  private static Path snapshot(HubSettings settings) {
    return FakeHub.hub(settings, Progress.NONE).snapshot(ID);
  }

  private HubSettings settings(URI endpoint, Optional<String> token, long patienceMillis) {
    return new HubSettings(
        endpoint, cache, token, false, Duration.ofMillis(patienceMillis), Duration.ofMillis(1));
  }

  private static String refusal(HubSettings settings) {
    var refusal = catchThrowableOfType(LatheException.class, () -> snapshot(settings));
    assertThat(refusal).as("a refusal").isNotNull();
    assertThat(refusal.getMessage()).doesNotContain("\n");
    return refusal.getMessage();
  }

  private String refusal() {
    return refusal(server.settings(cache));
  }

  private Path blob(String ending) {
    return cache.resolve("models--acme--tiny/blobs").resolve(server.etag(WEIGHTS) + ending);
  }

  private void cut(int times) {
    server.cuts.put(WEIGHTS, new AtomicInteger(times));
  }

  @Test
  void aCutDownloadGoesOnWhereItStopped() {
    cut(2);
    assertThat(snapshot(server.settings(cache)).resolve(WEIGHTS))
        .hasBinaryContent(server.files.get(WEIGHTS));
    assertThat(server.storageAsked)
        .extracting(FakeHub.Request::range)
        .containsExactly(null, "bytes=1000-", "bytes=2000-");
  }

  @Test
  void aLaterRunResumesWhatAnEarlierOneKept() throws IOException {
    server.cutAfter = 0;
    cut(1000);
    Files.createDirectories(blob("").getParent());
    var kept = Arrays.copyOf(server.files.get(WEIGHTS), 1200);
    Files.write(blob(".lathe.incomplete"), kept);
    // "the connection was closed early" or "breaks the connection off", by how soon Java hears of
    // it.
    assertThat(refusal())
        .startsWith("acme/tiny: model.safetensors: ")
        .contains("the connection")
        .contains("1200 of 5000 bytes are kept, run again to resume");
    assertThat(blob(".lathe.incomplete")).hasBinaryContent(kept);
    assertThat(server.storageAsked)
        .hasSize(Transport.ATTEMPTS)
        .allMatch(request -> "bytes=1200-".equals(request.range()));

    cut(0);
    assertThat(snapshot(server.settings(cache)).resolve(WEIGHTS))
        .hasBinaryContent(server.files.get(WEIGHTS));
    assertThat(blob(".lathe.incomplete")).doesNotExist();
  }

  @Test
  void aServerWithoutRangesIsReadFromTheStart() {
    server.ranges = false;
    cut(1);
    assertThat(snapshot(server.settings(cache)).resolve(WEIGHTS))
        .hasBinaryContent(server.files.get(WEIGHTS));
    assertThat(server.storageAsked).hasSize(2);
  }

  @Test
  void aPartThatIsTooLongIsDroppedAndADamagedOneFound() throws IOException {
    Files.createDirectories(blob("").getParent());
    Files.write(blob(".lathe.incomplete"), new byte[5001]);
    snapshot(server.settings(cache));
    assertThat(server.storageAsked)
        .extracting(FakeHub.Request::range)
        .containsExactly((String) null);

    Files.delete(blob(""));
    Files.write(blob(".lathe.incomplete"), new byte[1000]);
    assertThat(refusal()).contains("checksum").contains("run again");
    assertThat(blob("")).doesNotExist();
    assertThat(blob(".lathe.incomplete")).doesNotExist();
    assertThat(snapshot(server.settings(cache)).resolve(WEIGHTS))
        .hasBinaryContent(server.files.get(WEIGHTS));
  }

  @ParameterizedTest
  @ValueSource(strings = {WEIGHTS, "config.json"})
  void wrongBytesAreRefusedAndRemoved(String name) throws IOException {
    var wrong = server.files.get(name).clone();
    wrong[7] ^= 1;
    server.tampered.put(name, wrong);
    assertThat(refusal()).contains("acme/tiny: " + name + ":", "checksum " + server.etag(name));
    try (var blobs = Files.list(blob("").getParent())) {
      assertThat(blobs)
          .noneMatch(blob -> blob.getFileName().toString().startsWith(server.etag(name)));
    }
    assertThat(cache.resolve("models--acme--tiny/refs/main")).doesNotExist();
  }

  @Test
  void moreBytesThanAnnouncedAreRefused() {
    server.tampered.put(WEIGHTS, FakeHub.weights(9000, 1));
    assertThat(refusal()).contains("more bytes come than the announced 5000");
    assertThat(blob(".lathe.incomplete")).doesNotExist();
  }

  @Test
  void aServerThatGoesSilentIsGivenUp() {
    server.stall = true;
    cut(1);
    var settings = settings(server.endpoint(), Optional.empty(), 400);
    assertThat(snapshot(settings).resolve(WEIGHTS)).hasBinaryContent(server.files.get(WEIGHTS));
    assertThat(server.storageAsked).hasSize(2);
  }

  @Test
  void aBusyHubIsAskedAgain() {
    server.unavailable.set(3);
    assertThat(snapshot(server.settings(cache)).resolve(WEIGHTS)).exists();
  }

  @Test
  void statusesSayWhatToDo() {
    var stranger = settings(server.endpoint(), Optional.empty(), 5000);
    server.status = 401;
    assertThat(refusal(stranger)).contains("acme/tiny:", "private or gated", "set HF_TOKEN");
    assertThat(refusal()).contains("does not accept the token");
    server.status = 403;
    assertThat(refusal(stranger)).contains("ask for access at", "/acme/tiny and set HF_TOKEN");
    server.status = 404;
    assertThat(refusal()).contains("repository or revision does not exist", "is it org/name");
    server.errorCode = "RevisionNotFound";
    assertThat(refusal()).contains("acme/tiny has no revision 'main'");
    server.status = 418;
    assertThat(refusal()).contains("status 418");
    assertThat(server.asked).as("none of them is asked again").hasSize(6);
  }

  @Test
  void noHubIsSaidPlainly() throws IOException {
    int port;
    try (var socket = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
      port = socket.getLocalPort();
    }
    assertThat(refusal(settings(URI.create("http://127.0.0.1:" + port), Optional.empty(), 2000)))
        .contains("acme/tiny: not (or not wholly) in the cache")
        .contains("cannot connect to 127.0.0.1:" + port);
  }

  @Test
  void aHubThatNeverAnswersIsGivenUp() throws IOException {
    try (var silent = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"))) {
      var address = URI.create("http://127.0.0.1:" + silent.getLocalPort());
      assertThat(refusal(settings(address, Optional.empty(), 100)))
          .contains("does not answer within 0.1 s");
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "../../evil.json",
        "/etc/passwd",
        "a/../../b.json",
        "a\\..\\b",
        "C:/x",
        "a//b",
        "./x",
        ""
      })
  void hostileFileNamesAreRefused(String name) {
    server.put(name, "{}");
    assertThat(refusal()).contains("acme/tiny: refused for the unsafe file name");
    assertThat(server.fileRequests()).isEmpty();
    assertThat(cache).isEmptyDirectory();
  }

  @ParameterizedTest
  @ValueSource(strings = {"../../../evil.safetensors", "absent.safetensors", "config.json"})
  void hostileShardsAreRefused(String shard) {
    server.files.remove(WEIGHTS);
    server.put("model.safetensors.index.json", "{\"weight_map\": {\"a\": \"" + shard + "\"}}");
    assertThat(refusal()).contains(shard);
    assertThat(server.storageAsked).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"../../evil", "..", "a/b", "", "a\\b"})
  void hostileTagsAreRefused(String etag) {
    server.etagOverride = etag;
    assertThat(refusal()).contains("config.json: refused for the unsafe ETag");
  }

  @Test
  void repositoriesWithoutACheckpointAreRefused() {
    server.files.remove(WEIGHTS);
    assertThat(refusal()).contains("holds no safetensors");
    server.put("tiny.gguf", "GGUF");
    assertThat(refusal()).contains("name one, for example acme/tiny:tiny.gguf");
    server.files.put(WEIGHTS, new byte[8]);
    server.files.remove("config.json");
    assertThat(refusal()).contains("holds no config.json");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "<html>login</html>",
        "[]",
        "{}",
        "{\"sha\": \"main\", \"siblings\": []}",
        "{\"sha\": \"0123456789abcdef0123456789abcdef01234567\", \"siblings\": [1]}"
      })
  void garbageIsRefused(String answer) {
    server.listing = Optional.of(answer.getBytes(StandardCharsets.UTF_8));
    assertThat(refusal()).startsWith("acme/tiny: ");
  }

  @Test
  void aListingThatIsTooLargeIsNotRead() {
    server.listing = Optional.of(new byte[Revision.LARGEST_LISTING + 1]);
    assertThat(refusal()).contains("larger than any list of files");
  }

  @Test
  void redirectsInCirclesEnd() throws IOException {
    var circle = HttpServer.create(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), 0), 0);
    circle.createContext(
        "/",
        exchange -> {
          exchange.getResponseHeaders().set("Location", exchange.getRequestURI().getPath());
          exchange.sendResponseHeaders(307, -1);
          exchange.close();
        });
    circle.start();
    try {
      var address = URI.create("http://127.0.0.1:" + circle.getAddress().getPort());
      assertThat(refusal(settings(address, Optional.empty(), 5000))).contains("in circles");
    } finally {
      circle.stop(0);
    }
  }
}

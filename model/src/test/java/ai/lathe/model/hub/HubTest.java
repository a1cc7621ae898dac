package ai.lathe.model.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Against a local server with the public hub's paths, headers and redirection to a store. */
class HubTest {

  private static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";

  @TempDir Path cache;

  private final Map<String, byte[]> files = new HashMap<>();
  private final List<String> requests = new ArrayList<>();
  private final List<String> tokensAtStore = new ArrayList<>();
  private HttpServer hub;
  private HttpServer store;
  private int cuts;
  private boolean spoiled;
  private boolean gated;

  @BeforeEach
  void serve() throws IOException {
    hub = server();
    store = server();
    hub.createContext("/", this::answer);
    store.createContext("/", this::stored);
    hub.start();
    store.start();
    files.put("config.json", "{\"model_type\": \"llama\"}".getBytes(StandardCharsets.UTF_8));
    files.put("tokenizer.json", "{}".getBytes(StandardCharsets.UTF_8));
    files.put("pytorch_model.bin", new byte[10]);
    var weights = new byte[3_000_000];
    new Random(1).nextBytes(weights);
    files.put("model.safetensors", weights);
  }

  private static HttpServer server() throws IOException {
    return HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
  }

  @AfterEach
  void stop() {
    hub.stop(0);
    store.stop(0);
  }

  private synchronized void answer(HttpExchange exchange) throws IOException {
    try (exchange) {
      var path = exchange.getRequestURI().getPath();
      requests.add(exchange.getRequestMethod() + " " + path);
      if (gated
          && !"Bearer secret".equals(exchange.getRequestHeaders().getFirst("Authorization"))) {
        exchange.sendResponseHeaders(401, -1);
        return;
      }
      if (path.equals("/api/models/org/name/revision/main")) {
        var siblings = new StringBuilder();
        files.keySet().forEach(f -> siblings.append("{\"rfilename\":\"" + f + "\"},"));
        siblings.setLength(siblings.length() - 1);
        send(
            exchange,
            ("{\"sha\":\"" + COMMIT + "\",\"siblings\":[" + siblings + "]}")
                .getBytes(StandardCharsets.UTF_8),
            0);
        return;
      }
      var prefix = "/org/name/resolve/" + COMMIT + "/";
      var file = path.startsWith(prefix) ? files.get(path.substring(prefix.length())) : null;
      if (file == null) {
        exchange.sendResponseHeaders(404, -1);
        return;
      }
      var headers = exchange.getResponseHeaders();
      if (path.endsWith(".safetensors")) {
        headers.set("X-Linked-Etag", "\"" + hash("SHA-256", file) + "\"");
        headers.set("X-Linked-Size", Integer.toString(file.length));
        headers.set("Location", address(store) + path);
        exchange.sendResponseHeaders(302, -1);
      } else {
        var blob = ("blob " + file.length + "\0").getBytes(StandardCharsets.US_ASCII);
        headers.set("ETag", "\"" + hash("SHA-1", blob, file) + "\"");
        send(exchange, file, 0);
      }
    }
  }

  private synchronized void stored(HttpExchange exchange) throws IOException {
    try (exchange) {
      var token = exchange.getRequestHeaders().getFirst("Authorization");
      if (token != null) {
        tokensAtStore.add(token);
      }
      var path = exchange.getRequestURI().getPath();
      var file = files.get(path.substring(path.lastIndexOf('/') + 1)).clone();
      var range = exchange.getRequestHeaders().getFirst("Range");
      requests.add("STORE " + range);
      if (spoiled) {
        file[5] ^= 1;
      }
      int from = range == null ? 0 : Integer.parseInt(range.replaceAll("\\D", ""));
      if (cuts > 0) {
        cuts--;
        exchange.sendResponseHeaders(range == null ? 200 : 206, file.length - from);
        exchange.getResponseBody().write(file, from, 1_000_000);
        exchange.getResponseBody().flush();
        // Closed before all of it was sent.
        return;
      }
      send(exchange, file, from);
    }
  }

  private static void send(HttpExchange exchange, byte[] body, int from) throws IOException {
    boolean head = exchange.getRequestMethod().equals("HEAD");
    if (head) {
      exchange.getResponseHeaders().set("Content-Length", Integer.toString(body.length));
    }
    exchange.sendResponseHeaders(from > 0 ? 206 : 200, head ? -1 : body.length - from);
    if (!head) {
      exchange.getResponseBody().write(body, from, body.length - from);
    }
  }

  private static String address(HttpServer server) {
    return "http://127.0.0.1:" + server.getAddress().getPort();
  }

  private static String hash(String algorithm, byte[]... parts) {
    try {
      var digest = MessageDigest.getInstance(algorithm);
      Arrays.stream(parts).forEach(digest::update);
      return HexFormat.of().formatHex(digest.digest());
    } catch (java.security.NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  private Path get(String token, boolean offline) {
    var settings =
        new HubSettings(
            URI.create(address(hub)),
            Optional.ofNullable(token),
            cache,
            offline,
            Duration.ofSeconds(5));
    return new Hub(settings, List.of("tokenizer.json")).get(HubName.of("org/name"), Progress.NONE);
  }

  @Test
  void fetchesWhatIsNeededIntoHuggingFacesLayout() throws IOException {
    var snapshot = get(null, false);
    var home = cache.resolve("models--org--name");
    assertThat(snapshot).isEqualTo(home.resolve("snapshots").resolve(COMMIT));
    assertThat(snapshot.resolve("model.safetensors"))
        .isSymbolicLink()
        .hasBinaryContent(files.get("model.safetensors"));
    assertThat(snapshot.resolve("pytorch_model.bin")).doesNotExist();
    assertThat(home.resolve("refs/main")).hasContent(COMMIT);
    var blob = home.resolve("blobs").resolve(hash("SHA-256", files.get("model.safetensors")));
    assertThat(snapshot.resolve("model.safetensors").toRealPath()).isEqualTo(blob.toRealPath());
    requests.clear();
    assertThat(get(null, false)).isEqualTo(snapshot);
    assertThat(requests).containsExactly("GET /api/models/org/name/revision/main");
    requests.clear();
    assertThat(get(null, true)).isEqualTo(snapshot);
    assertThat(requests).isEmpty();
  }

  @Test
  void goesOnAfterACut() {
    cuts = 2;
    assertThat(get(null, false).resolve("model.safetensors"))
        .hasBinaryContent(files.get("model.safetensors"));
    var asked = requests.stream().filter(r -> r.startsWith("STORE")).toList();
    // How much arrives before a cut is the network's affair; that it is not asked for again is
    // ours.
    assertThat(asked).hasSize(3).startsWith("STORE null");
    assertThat(asked.subList(1, 3)).allMatch(r -> r.matches("STORE bytes=[1-9][0-9]*-"));
  }

  @Test
  void goesOnWithWhatAnEarlierRunLeft() throws IOException {
    var weights = files.get("model.safetensors");
    var blobs = Files.createDirectories(cache.resolve("models--org--name/blobs"));
    Files.write(
        blobs.resolve(hash("SHA-256", weights) + ".incomplete"), Arrays.copyOf(weights, 1234));
    assertThat(get(null, false).resolve("model.safetensors")).hasBinaryContent(weights);
    assertThat(requests).contains("STORE bytes=1234-");
  }

  @Test
  void refusesWrongContent() {
    spoiled = true;
    assertThatThrownBy(() -> get(null, false))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("another checksum");
    assertThat(cache.resolve("models--org--name/refs/main")).doesNotExist();
    spoiled = false;
    assertThat(get(null, false)).exists();
  }

  @Test
  void keepsTheTokenFromOtherHosts() {
    gated = true;
    assertThatThrownBy(() -> get(null, false))
        .hasMessageContaining("not allowed (401)")
        .hasMessageContaining("HF_TOKEN");
    assertThat(get("secret", false)).exists();
    assertThat(requests).contains("STORE null");
    assertThat(tokensAtStore).isEmpty();
  }

  @Test
  void saysWhatIsMissing() {
    files.remove("model.safetensors");
    assertThatThrownBy(() -> get(null, false)).hasMessage("org/name has no model.safetensors");
    assertThatThrownBy(() -> get(null, true))
        .hasMessage("org/name is not in the cache, and HF_HUB_OFFLINE is set");
  }

  @Test
  void aNameThatLeadsOutOfTheSnapshotIsRefused() {
    var repository = new Repository(cache);
    assertThatThrownBy(() -> repository.place(COMMIT, "../../evil"))
        .isInstanceOf(LatheException.class);
    assertThatThrownBy(() -> repository.place(COMMIT, "/etc/evil"))
        .isInstanceOf(LatheException.class);
  }

  @Test
  void anUnreachableHubIsOneLine() {
    hub.stop(0);
    assertThatThrownBy(() -> get(null, false))
        .isInstanceOf(LatheException.class)
        .hasMessageStartingWith("cannot reach http://127.0.0.1");
  }

  @Test
  void namesAndSettings() {
    assertThat(HubName.of("org/name@v1.0"))
        .isEqualTo(new HubName("org/name", "v1.0", Optional.empty()));
    assertThat(HubName.of("org/name:a/b.gguf").file()).hasValue("a/b.gguf");
    assertThat(HubName.parse("../name")).isEmpty();
    assertThat(HubName.parse("model.gguf")).isEmpty();
    var settings = HubSettings.of(Map.of("HF_HOME", "/h", "HF_HUB_OFFLINE", "1", "HF_TOKEN", "t"));
    assertThat(settings.cache()).isEqualTo(Path.of("/h/hub"));
    assertThat(settings.offline()).isTrue();
    assertThat(settings.token()).hasValue("t");
    assertThatThrownBy(() -> HubSettings.of(Map.of("HF_ENDPOINT", "no address")))
        .isInstanceOf(LatheException.class);
  }
}

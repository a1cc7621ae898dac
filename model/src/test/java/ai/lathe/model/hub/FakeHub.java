package ai.lathe.model.hub;

import ai.lathe.tensor.Progress;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A hub on this machine, with one repository, {@code acme/tiny}: small files come from the hub
 * itself under git's names, {@code .safetensors} and {@code .gguf} from a second server under their
 * SHA-256. Both servers note what they are asked.
 */
final class FakeHub implements AutoCloseable {

  static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";
  static final ModelId ID = ModelId.parse("acme/tiny").orElseThrow();

  /** What a server was asked; absent headers are null. */
  record Request(String method, String path, String range, String authorization) {}

  final Map<String, byte[]> files = new LinkedHashMap<>();
  final List<Request> asked = new CopyOnWriteArrayList<>();
  final List<Request> storageAsked = new CopyOnWriteArrayList<>();

  /** Sent in place of the bytes, after a header that announces the right ones. */
  final Map<String, byte[]> tampered = new ConcurrentHashMap<>();

  /** A file's answers that still have to end early, each after a number of bytes. */
  final Map<String, AtomicInteger> cuts = new ConcurrentHashMap<>();

  int cutAfter = 1000;

  /** Whether a cut answer stays open without another byte, instead of being closed. */
  boolean stall;

  /** Whether the storage goes on from a given byte. */
  boolean ranges = true;

  /** In place of the listing: a status, and the text with it. */
  int status = 200;

  Optional<byte[]> listing = Optional.empty();
  String errorCode = "";
  AtomicInteger unavailable = new AtomicInteger();
  String etagOverride;

  private final HttpServer hub = server();
  private final HttpServer storage = server();
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();

  FakeHub() {
    hub.createContext("/", this::answer);
    storage.createContext("/", this::store);
    for (var server : List.of(hub, storage)) {
      server.setExecutor(threads);
      server.start();
    }
  }

  /** A hub with a small checkpoint, and files that nobody needs. */
  static FakeHub withCheckpoint() {
    var hub = new FakeHub();
    hub.put("README.md", "# Tiny");
    hub.put("config.json", "{\"model_type\": \"llama\"}");
    hub.put("generation_config.json", "{}");
    hub.put("tokenizer.json", "{\"version\": \"1.0\"}");
    hub.put("chat_template.jinja", "{{ messages }}");
    hub.put("1_Pooling/config.json", "{\"pooling\": true}");
    hub.put("pytorch_model.bin", "pickle");
    hub.put("onnx/model.onnx", "graph");
    hub.files.put("model.safetensors", weights(5000, 1));
    return hub;
  }

  static byte[] weights(int length, int seed) {
    var bytes = new byte[length];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }

  void put(String name, String text) {
    files.put(name, text.getBytes(StandardCharsets.UTF_8));
  }

  /** Downloads with the small files of {@link #withCheckpoint} that a model needs. */
  static Hub hub(HubSettings settings, Progress progress) {
    return new Hub(
        settings,
        List.of("generation_config.json", "tokenizer.json", "1_Pooling/config.json"),
        progress);
  }

  URI endpoint() {
    return URI.create("http://127.0.0.1:" + hub.getAddress().getPort());
  }

  HubSettings settings(Path cache) {
    return new HubSettings(
        endpoint(),
        cache,
        Optional.of("hf_secret"),
        false,
        Duration.ofSeconds(10),
        Duration.ofMillis(1));
  }

  /** What both servers were asked of files, without the listing. */
  List<String> fileRequests() {
    return Stream.concat(asked.stream(), storageAsked.stream())
        .filter(request -> !request.path().startsWith("/api/"))
        .map(request -> request.method() + " " + request.path())
        .toList();
  }

  private static HttpServer server() {
    try {
      return HttpServer.create(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), 0), 0);
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  private void answer(HttpExchange exchange) throws IOException {
    note(exchange, asked);
    var path = exchange.getRequestURI().getRawPath();
    try (exchange) {
      if (unavailable.getAndDecrement() > 0) {
        exchange.sendResponseHeaders(503, -1);
      } else if (path.startsWith("/api/models/acme/tiny/revision/")) {
        list(exchange);
      } else if (path.startsWith("/acme/tiny/resolve/" + COMMIT + "/")) {
        resolve(exchange, name(path.substring(("/acme/tiny/resolve/" + COMMIT + "/").length())));
      } else {
        exchange.sendResponseHeaders(404, -1);
      }
    }
  }

  private void list(HttpExchange exchange) throws IOException {
    if (!errorCode.isEmpty()) {
      exchange.getResponseHeaders().set("X-Error-Code", errorCode);
    }
    var names =
        files.keySet().stream()
            .map(name -> "{\"rfilename\": \"" + name.replace("\\", "\\\\") + "\"}")
            .collect(Collectors.joining(", "));
    var text =
        listing.orElseGet(
            () ->
                ("{\"id\": \"acme/tiny\", \"sha\": \""
                        + COMMIT
                        + "\", \"siblings\": ["
                        + names
                        + "]}")
                    .getBytes(StandardCharsets.UTF_8));
    exchange.sendResponseHeaders(status, text.length == 0 ? -1 : text.length);
    exchange.getResponseBody().write(text);
  }

  private void resolve(HttpExchange exchange, String name) throws IOException {
    var bytes = files.get(name);
    var headers = exchange.getResponseHeaders();
    if (bytes == null) {
      exchange.sendResponseHeaders(404, -1);
      return;
    }
    headers.set("X-Repo-Commit", COMMIT);
    if (name.endsWith(".safetensors") || name.endsWith(".gguf")) {
      headers.set("X-Linked-Etag", "\"" + etag(name) + "\"");
      headers.set("X-Linked-Size", Integer.toString(bytes.length));
      headers.set(
          "Location",
          "http://127.0.0.1:"
              + storage.getAddress().getPort()
              + "/bucket/"
              + name.replace(" ", "%20"));
      exchange.sendResponseHeaders(302, -1);
    } else {
      headers.set("ETag", "W/\"" + etag(name) + "\"");
      send(exchange, name, bytes);
    }
  }

  private void store(HttpExchange exchange) throws IOException {
    note(exchange, storageAsked);
    try (exchange) {
      var name = name(exchange.getRequestURI().getRawPath().substring("/bucket/".length()));
      exchange.getResponseHeaders().set("ETag", "\"of-the-storage\"");
      send(exchange, name, files.get(name));
    }
  }

  private void send(HttpExchange exchange, String name, byte[] bytes) throws IOException {
    if (exchange.getRequestMethod().equals("HEAD")) {
      exchange.getResponseHeaders().set("Content-Length", Integer.toString(bytes.length));
      exchange.sendResponseHeaders(200, -1);
      return;
    }
    var range = exchange.getRequestHeaders().getFirst("Range");
    int from = 0;
    if (range != null && ranges) {
      from = Integer.parseInt(range.replaceAll("\\D", ""));
      exchange
          .getResponseHeaders()
          .set("Content-Range", "bytes " + from + "-" + (bytes.length - 1) + "/" + bytes.length);
    }
    var body = tampered.getOrDefault(name, bytes);
    body = Arrays.copyOfRange(body, from, body.length);
    exchange.sendResponseHeaders(from > 0 ? 206 : 200, body.length == 0 ? -1 : body.length);
    var cut = cuts.get(name);
    if (cut != null && cut.getAndDecrement() > 0) {
      exchange.getResponseBody().write(body, 0, Math.min(cutAfter, body.length));
      exchange.getResponseBody().flush();
      if (stall) {
        sleep();
      }
      return;
    }
    exchange.getResponseBody().write(body);
  }

  private static void sleep() {
    try {
      Thread.sleep(Duration.ofMinutes(1));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void note(HttpExchange exchange, List<Request> log) {
    var headers = exchange.getRequestHeaders();
    log.add(
        new Request(
            exchange.getRequestMethod(),
            exchange.getRequestURI().getPath(),
            headers.getFirst("Range"),
            headers.getFirst("Authorization")));
  }

  private static String name(String path) {
    return URLDecoder.decode(path, StandardCharsets.UTF_8);
  }

  /** As the hub computes it. */
  String etag(String name) {
    if (etagOverride != null) {
      return etagOverride;
    }
    var bytes = files.get(name);
    try {
      if (name.endsWith(".safetensors") || name.endsWith(".gguf")) {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
      }
      var sha1 = MessageDigest.getInstance("SHA-1");
      sha1.update(("blob " + bytes.length + "\0").getBytes(StandardCharsets.UTF_8));
      return HexFormat.of().formatHex(sha1.digest(bytes));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void close() {
    hub.stop(0);
    storage.stop(0);
    threads.shutdownNow();
  }
}

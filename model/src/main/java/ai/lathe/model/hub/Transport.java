package ai.lathe.model.hub;

import ai.lathe.format.FormatException;
import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.io.InputStream;
import java.net.ConnectException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.channels.UnresolvedAddressException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/** Requests to a hub. Redirects are followed here, because the token is for the hub alone. */
final class Transport implements AutoCloseable {

  /** A hub renames, then sends to its storage, which may do so again. */
  private static final int MOST_REDIRECTS = 10;

  /** Attempts in a row without a byte of progress. */
  static final int ATTEMPTS = 5;

  /** The hub does not answer now, but may later; what the cache holds may do instead. */
  static final class Unavailable extends LatheException {

    private static final long serialVersionUID = 1L;

    private final boolean soon;

    /**
     * @param soon whether another attempt in a moment makes sense
     */
    Unavailable(String message, boolean soon, Throwable cause) {
      super(message, cause);
      this.soon = soon;
    }

    boolean soon() {
      return soon;
    }
  }

  private final HubSettings settings;
  private final HttpClient client;

  Transport(HubSettings settings) {
    this.settings = settings;
    this.client =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(settings.patience())
            .build();
  }

  /** What a model's revision holds. */
  Revision revision(ModelId id) {
    var address =
        URI.create(
            settings.endpoint()
                + "/api/models/"
                + id.repository()
                + "/revision/"
                + encoded(id.revision()));
    return attempt(() -> Revision.parse(text(id, address), id.toString()));
  }

  private byte[] text(ModelId id, URI address) {
    var response = send("GET", address, 0);
    try (var body = response.body();
        var guard = new StallGuard(body, settings.patience())) {
      check(id, "", response);
      var text = guard.input().readNBytes(Revision.LARGEST_LISTING + 1);
      if (text.length > Revision.LARGEST_LISTING) {
        throw new FormatException(id + ": the hub's answer is larger than any list of files");
      }
      return text;
    } catch (IOException e) {
      throw new Unavailable(host() + " closed the connection", true, e);
    }
  }

  /** What a file is called by and how long it is, without its bytes. */
  RemoteFile describe(ModelId id, String commit, String file) {
    return attempt(
        () -> {
          var response = send("HEAD", address(id, commit, file), 0);
          close(response);
          if (!redirects(response)) {
            check(id, file, response);
          }
          return RemoteFile.of(response.headers(), file, id + ": " + file, !redirects(response));
        });
  }

  /** A file's bytes, from {@code from} on. The status is 200, 206 or 416. */
  HttpResponse<InputStream> open(ModelId id, String commit, String file, long from) {
    var response = send("GET", address(id, commit, file), from);
    if (response.statusCode() != 416) {
      try {
        check(id, file, response);
      } catch (LatheException e) {
        close(response);
        throw e;
      }
    }
    return response;
  }

  private URI address(ModelId id, String commit, String file) {
    var path =
        Arrays.stream(file.split("/")).map(Transport::encoded).collect(Collectors.joining("/"));
    return URI.create(
        settings.endpoint() + "/" + id.repository() + "/resolve/" + commit + "/" + path);
  }

  private static String encoded(String part) {
    return URLEncoder.encode(part, StandardCharsets.UTF_8).replace("+", "%20");
  }

  /**
   * Sends a request and follows where it is sent on to; of a HEAD, the first redirect that
   * describes the file is the answer.
   */
  private HttpResponse<InputStream> send(String method, URI address, long from) {
    boolean head = method.equals("HEAD");
    var at = address;
    for (int i = 0; i <= MOST_REDIRECTS; i++) {
      var response = once(method, at, from);
      if (!redirects(response)) {
        return response;
      }
      var target = target(at, response);
      if (head && RemoteFile.described(response.headers(), !ofHub(target))) {
        return response;
      }
      close(response);
      at = target;
    }
    throw new LatheException(host() + " redirects in circles (" + address.getPath() + ")");
  }

  private static boolean redirects(HttpResponse<?> response) {
    return switch (response.statusCode()) {
      case 301, 302, 303, 307, 308 -> true;
      default -> false;
    };
  }

  private URI target(URI at, HttpResponse<?> response) {
    var location = response.headers().firstValue("Location").orElse("");
    try {
      var target = at.resolve(new URI(location));
      boolean web = "https".equals(target.getScheme()) || "http".equals(target.getScheme());
      boolean downgrade = "https".equals(at.getScheme()) && "http".equals(target.getScheme());
      if (!location.isEmpty() && web && !downgrade && target.getHost() != null) {
        return target;
      }
    } catch (URISyntaxException | IllegalArgumentException e) {
      // Told below, like any other address that is none.
    }
    throw new FormatException(host() + " redirects to '" + location + "', which is not followed");
  }

  /** Scheme, host and port are the hub's own. */
  private boolean ofHub(URI address) {
    var hub = settings.endpoint();
    return hub.getScheme().equals(address.getScheme())
        && hub.getHost().equalsIgnoreCase(address.getHost())
        && port(hub) == port(address);
  }

  private static int port(URI address) {
    return address.getPort() >= 0
        ? address.getPort()
        : "https".equals(address.getScheme()) ? 443 : 80;
  }

  private HttpResponse<InputStream> once(String method, URI address, long from) {
    var request =
        HttpRequest.newBuilder(address)
            .method(method, HttpRequest.BodyPublishers.noBody())
            .timeout(settings.patience())
            .header("User-Agent", "lathe")
            // A compressed answer would have another length and another checksum.
            .header("Accept-Encoding", "identity");
    if (from > 0) {
      request.header("Range", "bytes=" + from + "-");
    }
    if (ofHub(address)) {
      settings.token().ifPresent(token -> request.header("Authorization", "Bearer " + token));
    }
    try {
      return client.send(request.build(), HttpResponse.BodyHandlers.ofInputStream());
    } catch (HttpTimeoutException e) {
      throw new Unavailable(address.getHost() + " does not answer within " + seconds(), true, e);
    } catch (ConnectException e) {
      boolean unknown = e.getCause() instanceof UnresolvedAddressException;
      throw new Unavailable(
          "cannot connect to "
              + address.getAuthority()
              + ": "
              + (unknown ? "no such host, or no network" : "the connection is refused"),
          false,
          e);
    } catch (IOException e) {
      throw new Unavailable(
          address.getHost()
              + " breaks the connection off"
              + (e.getMessage() == null ? "" : ": " + FileNames.printable(e.getMessage())),
          true,
          e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LatheException("interrupted while waiting for " + address.getHost(), e);
    }
  }

  private String seconds() {
    return settings.patience().toMillis() / 1000.0 + " s";
  }

  private String host() {
    return settings.endpoint().getAuthority();
  }

  private static void close(HttpResponse<InputStream> response) {
    try {
      response.body().close();
    } catch (IOException e) {
      // Nothing was to be read from it.
    }
  }

  /** Throws what a status means for the person who named the model. */
  private void check(ModelId id, String file, HttpResponse<?> response) {
    int status = response.statusCode();
    if (status == 200 || status == 206) {
      return;
    }
    var what = file.isEmpty() ? id.toString() : id + ": " + file;
    boolean known = settings.token().isPresent();
    switch (status) {
      case 401 ->
          throw new LatheException(
              known
                  ? what + ": " + host() + " does not accept the token in HF_TOKEN for it"
                  : what
                      + ": does not exist on "
                      + host()
                      + ", or is private or gated; check the name, or set HF_TOKEN");
      case 403 ->
          throw new LatheException(
              what
                  + ": access is denied; it is private or gated: ask for access at "
                  + settings.endpoint()
                  + "/"
                  + id.repository()
                  + (known ? " with the account of HF_TOKEN" : " and set HF_TOKEN"));
      case 404, 410 -> throw missing(id, file, response.headers().map());
      case 429 -> throw new Unavailable(host() + " asks to slow down (429)", true, null);
      default -> {
        if (status >= 500) {
          throw new Unavailable(host() + " has trouble (" + status + ")", true, null);
        }
        throw new LatheException(what + ": " + host() + " answers with status " + status);
      }
    }
  }

  private LatheException missing(ModelId id, String file, Map<String, ?> headers) {
    if (!file.isEmpty()) {
      return new LatheException(id + ": " + host() + " no longer has " + file);
    }
    boolean revision = String.valueOf(headers.get("x-error-code")).contains("RevisionNotFound");
    return new LatheException(
        revision
            ? id.repository() + " has no revision '" + id.revision() + "' on " + host()
            : id
                + ": this repository or revision does not exist on "
                + host()
                + "; is it org/name, or a path that is not there?");
  }

  /** Tries again, ever later, while the hub is out of order. */
  private <T> T attempt(Supplier<T> request) {
    for (int failures = 1; ; failures++) {
      try {
        return request.get();
      } catch (Unavailable e) {
        if (!e.soon() || failures >= ATTEMPTS) {
          throw e;
        }
        pause(failures);
      }
    }
  }

  /** Waits after that many failures in a row. */
  void pause(int failures) {
    try {
      Thread.sleep(settings.pause().multipliedBy(1L << Math.min(failures - 1, 6)));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LatheException("interrupted while waiting for " + host(), e);
    }
  }

  @Override
  public void close() {
    client.shutdownNow();
  }
}

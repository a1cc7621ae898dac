package ai.lathe.model.hub;

import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.io.InputStream;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpClient.Redirect;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.HttpTimeoutException;

/** Requests to a hub. Redirections are followed here, so that the token stays with the hub. */
final class HubClient implements AutoCloseable {

  private static final int MOST_REDIRECTIONS = 5;

  private final HubSettings settings;
  private final HttpClient http;

  HubClient(HubSettings settings) {
    this.settings = settings;
    this.http =
        HttpClient.newBuilder()
            .followRedirects(Redirect.NEVER)
            .connectTimeout(settings.patience())
            .build();
  }

  /** The hub could not be reached; what is in the cache may still do. */
  static final class Unreachable extends LatheException {
    private static final long serialVersionUID = 1L;

    Unreachable(String message, Throwable cause) {
      super(message, cause);
    }
  }

  URI at(String path) {
    return URI.create(settings.endpoint() + path);
  }

  /**
   * Sends a request and gives the answer as it comes.
   *
   * @param from first byte to ask for
   * @param follow whether to go where a redirection points
   */
  HttpResponse<InputStream> send(String method, URI address, long from, boolean follow) {
    var at = address;
    for (int redirections = 0; ; redirections++) {
      var response = once(method, at, from);
      int status = response.statusCode();
      boolean redirected = status >= 300 && status < 400 && status != 304;
      if (!redirected || !follow && leavesHub(response, at)) {
        return check(response, at, redirected);
      }
      close(response);
      if (redirections == MOST_REDIRECTIONS) {
        throw new LatheException(address + " redirects without end");
      }
      at = target(response, at);
    }
  }

  /** A renamed model is redirected within the hub, a large file to where it is stored. */
  private boolean leavesHub(HttpResponse<InputStream> response, URI at) {
    return !ofHub(target(response, at))
        || response.headers().firstValue("x-linked-etag").isPresent();
  }

  private static URI target(HttpResponse<InputStream> response, URI at) {
    var location =
        response
            .headers()
            .firstValue("location")
            .orElseThrow(() -> new LatheException(at + " redirects to nowhere"));
    try {
      return at.resolve(location);
    } catch (IllegalArgumentException e) {
      throw new LatheException(at + " redirects to no address", e);
    }
  }

  private HttpResponse<InputStream> once(String method, URI at, long from) {
    try {
      var request =
          HttpRequest.newBuilder(at)
              .method(method, BodyPublishers.noBody())
              .timeout(settings.patience());
      if (from > 0) {
        request.header("Range", "bytes=" + from + "-");
      }
      if (settings.token().isPresent() && ofHub(at)) {
        request.header("Authorization", "Bearer " + settings.token().get());
      }
      return http.send(request.build(), BodyHandlers.ofInputStream());
    } catch (HttpTimeoutException e) {
      throw new Unreachable(
          at + " did not answer within " + settings.patience().toSeconds() + " seconds", e);
    } catch (ConnectException e) {
      throw new Unreachable("cannot reach " + at.getScheme() + "://" + at.getAuthority(), e);
    } catch (IOException | IllegalArgumentException e) {
      throw new Unreachable("cannot read " + at + ": " + e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LatheException("interrupted while reading " + at, e);
    }
  }

  /** The token belongs to this scheme, host and port and to no other. */
  private boolean ofHub(URI at) {
    var hub = settings.endpoint();
    return hub.getScheme().equals(at.getScheme())
        && hub.getHost().equalsIgnoreCase(at.getHost())
        && hub.getPort() == at.getPort();
  }

  private HttpResponse<InputStream> check(
      HttpResponse<InputStream> response, URI at, boolean redirected) {
    int status = response.statusCode();
    if (status >= 200 && status < 300 || redirected) {
      return response;
    }
    close(response);
    throw new LatheException(
        switch (status) {
          case 401, 403 ->
              at.getPath()
                  + ": not allowed ("
                  + status
                  + "); it may be private or gated: set HF_TOKEN to a token that may read it";
          case 404 -> at.getPath() + ": not found on " + settings.endpoint();
          case 429 -> settings.endpoint() + " asks to wait (429): too many requests";
          default -> at + " answered " + status;
        });
  }

  static void close(HttpResponse<InputStream> response) {
    try {
      response.body().close();
    } catch (IOException e) {
      // What was to be read has been read.
    }
  }

  @Override
  public void close() {
    http.close();
  }
}

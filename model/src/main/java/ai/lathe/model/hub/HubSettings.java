package ai.lathe.model.hub;

import ai.lathe.format.FormatException;
import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Where models come from and where they are kept.
 *
 * @param endpoint the hub's address, without a slash at its end
 * @param cache the folder of {@code models--org--name}
 * @param token what the hub knows the user by
 * @param offline whether only the cache is used
 * @param patience how long to wait for a connection, an answer, or the next bytes
 * @param pause before the second attempt; doubled before each further one
 */
public record HubSettings(
    URI endpoint,
    Path cache,
    Optional<String> token,
    boolean offline,
    Duration patience,
    Duration pause) {

  private static final String USUAL_ENDPOINT = "https://huggingface.co";
  private static final Duration USUAL_PATIENCE = Duration.ofSeconds(10);
  private static final Duration USUAL_PAUSE = Duration.ofSeconds(1);
  private static final int LONGEST_TOKEN = 4096;
  private static final int LONGEST_PATIENCE_SECONDS = 86_400;
  private static final Set<String> TRUE = Set.of("1", "on", "yes", "true");

  /**
   * Reads huggingface_hub's variables: {@code HF_ENDPOINT}; {@code HF_HUB_CACHE} or {@code HF_HOME}
   * or {@code XDG_CACHE_HOME}; {@code HF_TOKEN}, or else the file that {@code huggingface-cli
   * login} writes ({@code HF_TOKEN_PATH}, {@code HF_HOME/token}); {@code HF_HUB_OFFLINE}; {@code
   * HF_HUB_DOWNLOAD_TIMEOUT} in seconds. An empty variable counts as absent.
   *
   * @throws LatheException in one line for a value that makes no sense
   */
  public static HubSettings of(Map<String, String> environment) {
    var variables = new Variables(environment);
    return new HubSettings(
        variables.endpoint(),
        variables
            .path("HF_HUB_CACHE")
            .or(() -> variables.path("HUGGINGFACE_HUB_CACHE"))
            .orElseGet(() -> variables.home().resolve("hub")),
        variables.token(),
        variables.flag("HF_HUB_OFFLINE") || variables.flag("TRANSFORMERS_OFFLINE"),
        variables.patience(),
        USUAL_PAUSE);
  }

  /** Without the token, which belongs in no log. */
  @Override
  public String toString() {
    return endpoint
        + ", cache "
        + cache
        + (token.isPresent() ? ", with a token" : "")
        + (offline ? ", offline" : "");
  }

  /** Environment variables by what they mean. */
  private record Variables(Map<String, String> environment) {

    Optional<String> text(String name) {
      return Optional.ofNullable(environment.get(name))
          .map(String::strip)
          .filter(value -> !value.isEmpty());
    }

    boolean flag(String name) {
      return text(name).filter(value -> TRUE.contains(value.toLowerCase(Locale.ROOT))).isPresent();
    }

    Optional<Path> path(String name) {
      return text(name).map(value -> path(name, value));
    }

    private Path path(String name, String value) {
      try {
        return value.equals("~") || value.startsWith("~/")
            ? userHome().resolve(value.substring(Math.min(2, value.length())))
            : Path.of(value).toAbsolutePath();
      } catch (InvalidPathException e) {
        throw new LatheException(name + " is '" + value + "', which is no path", e);
      }
    }

    private Path userHome() {
      return Path.of(text("HOME").orElseGet(() -> System.getProperty("user.home")));
    }

    Path home() {
      return path("HF_HOME")
          .orElseGet(
              () ->
                  path("XDG_CACHE_HOME")
                      .orElseGet(() -> userHome().resolve(".cache"))
                      .resolve("huggingface"));
    }

    URI endpoint() {
      var address = text("HF_ENDPOINT").orElse(USUAL_ENDPOINT).replaceAll("/+$", "");
      try {
        var uri = new URI(address);
        boolean web = "https".equals(uri.getScheme()) || "http".equals(uri.getScheme());
        if (web && uri.getHost() != null && uri.getQuery() == null && uri.getFragment() == null) {
          return uri;
        }
      } catch (URISyntaxException e) {
        // Told below, like any other address that is none.
      }
      throw new LatheException(
          "HF_ENDPOINT is '" + address + "'; expected an address such as " + USUAL_ENDPOINT);
    }

    Optional<String> token() {
      var given = text("HF_TOKEN").or(() -> text("HUGGING_FACE_HUB_TOKEN"));
      if (given.isPresent()) {
        return Optional.of(checked(given.get(), "HF_TOKEN"));
      }
      var file = path("HF_TOKEN_PATH").orElseGet(() -> home().resolve("token"));
      if (!Files.isRegularFile(file)) {
        return Optional.empty();
      }
      try (var input = Files.newInputStream(file)) {
        var text = new String(input.readNBytes(LONGEST_TOKEN + 1), StandardCharsets.UTF_8).strip();
        return text.isEmpty() ? Optional.empty() : Optional.of(checked(text, file.toString()));
      } catch (IOException e) {
        throw FormatException.io("cannot read the hub's token in " + file, e);
      }
    }

    /** It goes into a header, where a line end would begin another one. */
    private static String checked(String token, String where) {
      if (token.length() > LONGEST_TOKEN || token.chars().anyMatch(c -> c <= ' ' || c > '~')) {
        throw new LatheException(where + " holds no token: expected one word such as hf_...");
      }
      return token;
    }

    Duration patience() {
      var given = text("HF_HUB_DOWNLOAD_TIMEOUT");
      if (given.isEmpty()) {
        return USUAL_PATIENCE;
      }
      try {
        int seconds = Integer.parseInt(given.get());
        if (seconds > 0 && seconds <= LONGEST_PATIENCE_SECONDS) {
          return Duration.ofSeconds(seconds);
        }
      } catch (NumberFormatException e) {
        // Told below.
      }
      throw new LatheException(
          "HF_HUB_DOWNLOAD_TIMEOUT is '"
              + given.get()
              + "'; expected whole seconds, 1 to "
              + LONGEST_PATIENCE_SECONDS);
    }
  }
}

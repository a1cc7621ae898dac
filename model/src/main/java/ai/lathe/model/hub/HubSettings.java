package ai.lathe.model.hub;

import ai.lathe.format.FormatException;
import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;

/**
 * Where models come from and where they are kept, as huggingface_hub's environment variables say.
 *
 * @param endpoint {@code HF_ENDPOINT}
 * @param token {@code HF_TOKEN}, or the file {@code token} in {@code HF_HOME}; sent to the endpoint
 *     alone
 * @param cache {@code HF_HUB_CACHE}, or {@code hub} in {@code HF_HOME}
 * @param offline {@code HF_HUB_OFFLINE}
 * @param patience how long an answer may take
 */
public record HubSettings(
    URI endpoint, Optional<String> token, Path cache, boolean offline, Duration patience) {

  private static final String PUBLIC_HUB = "https://huggingface.co";

  /** As in this environment. */
  public static HubSettings of(Map<String, String> environment) {
    var home =
        set(environment, "HF_HOME")
            .map(Path::of)
            .orElseGet(
                () ->
                    set(environment, "XDG_CACHE_HOME")
                        .map(Path::of)
                        .orElse(Path.of(System.getProperty("user.home"), ".cache"))
                        .resolve("huggingface"));
    var address = set(environment, "HF_ENDPOINT").orElse(PUBLIC_HUB).replaceFirst("/+$", "");
    URI endpoint;
    try {
      endpoint = URI.create(address);
    } catch (IllegalArgumentException e) {
      throw new LatheException("HF_ENDPOINT is no address: " + address, e);
    }
    if (endpoint.getHost() == null) {
      throw new LatheException("HF_ENDPOINT is no address: " + address);
    }
    return new HubSettings(
        endpoint,
        set(environment, "HF_TOKEN").or(() -> stored(home.resolve("token"))),
        set(environment, "HF_HUB_CACHE").map(Path::of).orElse(home.resolve("hub")),
        set(environment, "HF_HUB_OFFLINE").filter(v -> v.matches("(?i)1|on|yes|true")).isPresent(),
        Duration.ofSeconds(30));
  }

  private static Optional<String> set(Map<String, String> environment, String name) {
    return Optional.ofNullable(environment.get(name)).map(String::strip).filter(v -> !v.isEmpty());
  }

  private static Optional<String> stored(Path file) {
    try {
      return Files.isRegularFile(file)
          ? Optional.of(Files.readString(file).strip()).filter(v -> !v.isEmpty())
          : Optional.empty();
    } catch (IOException e) {
      throw FormatException.io("cannot read " + file, e);
    }
  }
}

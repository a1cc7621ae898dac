package ai.lathe.model.hub;

import ai.lathe.tensor.LatheException;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * A model of a hub: {@code org/name}, {@code org/name@revision}, {@code org/name:file.gguf}.
 *
 * @param revision a branch, tag or commit
 * @param file one file to take, where the model holds several
 */
public record HubName(String repository, String revision, Optional<String> file) {

  private static final Pattern FORM =
      Pattern.compile(
          "([A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*)"
              + "(?:@([A-Za-z0-9._/-]+))?(?::([A-Za-z0-9._/-]+\\.gguf))?");

  /** Empty where it does not look like one. */
  public static Optional<HubName> parse(String text) {
    var match = FORM.matcher(text);
    if (!match.matches() || text.contains("..")) {
      return Optional.empty();
    }
    var revision = Optional.ofNullable(match.group(2)).orElse("main");
    return Optional.of(new HubName(match.group(1), revision, Optional.ofNullable(match.group(3))));
  }

  /** Throws where it does not look like one. */
  public static HubName of(String text) {
    return parse(text)
        .orElseThrow(
            () -> new LatheException("'" + text + "' is no model of a hub; expected org/name"));
  }
}

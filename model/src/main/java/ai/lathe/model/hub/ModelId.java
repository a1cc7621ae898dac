package ai.lathe.model.hub;

import java.util.Optional;
import java.util.regex.Pattern;

/**
 * What names a model on a hub: {@code org/name}, {@code org/name@revision}, and for one GGUF file
 * of a repository {@code org/name:file.gguf} or {@code org/name@revision:folder/file.gguf}.
 *
 * @param revision a branch, a tag or a commit; {@link #DEFAULT_REVISION} where none was given
 * @param file a GGUF file in the repository
 */
public record ModelId(String organisation, String name, String revision, Optional<String> file) {

  public static final String DEFAULT_REVISION = "main";

  private static final int LONGEST = 96;
  private static final Pattern WORD = Pattern.compile("\\w(?:[\\w.-]*\\w)?");
  private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");
  private static final Pattern SHAPE =
      Pattern.compile("([^/@:]+)/([^/@:]+)(?:@([\\w./-]{1,200}))?(?::(.+\\.gguf))?");

  /**
   * Reads a name; empty where the text has not exactly that shape in the characters that the hub
   * allows. A relative path of two parts may have it too: who has both to choose from asks the file
   * system first.
   */
  public static Optional<ModelId> parse(String text) {
    var match = SHAPE.matcher(text);
    if (!match.matches()) {
      return Optional.empty();
    }
    var id =
        new ModelId(
            match.group(1),
            match.group(2),
            Optional.ofNullable(match.group(3)).orElse(DEFAULT_REVISION),
            Optional.ofNullable(match.group(4)));
    return id.allowed() ? Optional.of(id) : Optional.empty();
  }

  private boolean allowed() {
    var repository = repository();
    return WORD.matcher(organisation).matches()
        && WORD.matcher(name).matches()
        && repository.length() <= LONGEST
        && !repository.contains("--")
        && !repository.contains("..")
        && !repository.endsWith(".git")
        && FileNames.safe(revision)
        && file.map(FileNames::safe).orElse(true);
  }

  /** {@code org/name}. */
  public String repository() {
    return organisation + "/" + name;
  }

  /** Whether the revision is a commit, which never moves. */
  boolean pinned() {
    return COMMIT.matcher(revision).matches();
  }

  /** As {@link #parse} reads it. */
  @Override
  public String toString() {
    return repository()
        + (revision.equals(DEFAULT_REVISION) ? "" : "@" + revision)
        + file.map(name -> ":" + name).orElse("");
  }
}

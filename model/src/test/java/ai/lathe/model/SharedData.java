package ai.lathe.model;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;

/** Development data that is not part of the repository: {@code shared/data} beside an ancestor. */
public final class SharedData {

  private SharedData() {}

  /** The file or directory; skips the running test where it is absent. */
  public static Path get(String name) {
    for (var at = Path.of("").toAbsolutePath(); at != null; at = at.getParent()) {
      var candidate = at.resolve("shared/data").resolve(name);
      if (Files.exists(candidate)) {
        return candidate;
      }
    }
    assumeTrue(false, "skipped: shared/data/" + name + " is not on this machine");
    throw new AssertionError();
  }
}

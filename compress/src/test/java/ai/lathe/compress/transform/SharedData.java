package ai.lathe.compress.transform;

import static org.junit.jupiter.api.Assumptions.abort;

import java.nio.file.Files;
import java.nio.file.Path;

/** Models and texts that stand beside the repository where there are any. */
public final class SharedData {

  private SharedData() {}

  /** A file of {@code shared/data} in any folder above; the test is skipped where there is none. */
  public static Path file(String name) {
    for (var at = Path.of("").toAbsolutePath(); at != null; at = at.getParent()) {
      var file = at.resolve("shared/data").resolve(name);
      if (Files.exists(file)) {
        return file;
      }
    }
    return abort("shared/data/" + name + " is not there");
  }
}

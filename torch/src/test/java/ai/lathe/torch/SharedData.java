package ai.lathe.torch;

import static org.junit.jupiter.api.Assumptions.abort;

import java.nio.file.Files;
import java.nio.file.Path;

/** Development data that is not part of the repository: {@code shared/data} beside an ancestor. */
final class SharedData {

  private SharedData() {}

  /** The test is skipped where the file is absent. */
  static Path find(String name) {
    for (var at = Path.of("").toAbsolutePath(); at != null; at = at.getParent()) {
      var file = at.resolve("shared/data").resolve(name);
      if (Files.exists(file)) {
        return file;
      }
    }
    return abort("skipped: shared/data/" + name + " is not on this machine");
  }
}

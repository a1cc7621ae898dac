package ai.lathe.compress;

import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;

/** What a run made for itself, or in vain. */
final class Leftovers {

  private Leftovers() {}

  /** Removes a file, or a directory and everything in it; nothing where nothing is. */
  static void delete(Path path) {
    if (!Files.exists(path)) {
      return;
    }
    try (var files = Files.walk(path)) {
      for (var file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    } catch (IOException e) {
      throw new LatheException("cannot remove " + path + ": " + e.getMessage(), e);
    }
  }
}

package ai.lathe.compress.journal;

import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;

/** What a run made for itself, or in vain. */
public final class Leftovers {

  private Leftovers() {}

  /** Removes a file, or a directory and everything in it; nothing where nothing is. */
  public static void delete(Path path) {
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

package ai.lathe.model.checkpoint;

import ai.lathe.format.FormatException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Sizes of files. */
final class Sizes {

  private Sizes() {}

  static long of(Path file) {
    try {
      return Files.size(file);
    } catch (IOException e) {
      throw FormatException.io("cannot read " + file, e);
    }
  }
}

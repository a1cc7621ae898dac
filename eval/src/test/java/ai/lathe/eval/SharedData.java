package ai.lathe.eval;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Stream;

/** Data for tests that is no part of the repository: {@code shared/data} beside or above it. */
final class SharedData {

  private SharedData() {}

  static Optional<Path> find(String name) {
    return Stream.iterate(Path.of("").toAbsolutePath(), folder -> folder != null, Path::getParent)
        .map(folder -> folder.resolve("shared/data").resolve(name))
        .filter(Files::exists)
        .findFirst();
  }
}

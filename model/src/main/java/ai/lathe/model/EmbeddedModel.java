package ai.lathe.model;

import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.List;

/**
 * The small Llama that comes with Lathe, so that a demonstration and tests have a language model
 * without a download. What it is and how it was trained is told in the README.md beside its files.
 *
 * @param directory a checkpoint in Hugging Face's layout
 * @param calibration a text file to calibrate on
 * @param heldOut a text file to measure on, which neither training nor calibration saw
 */
public record EmbeddedModel(Path directory, Path calibration, Path heldOut) {

  private static final String CALIBRATION = "calibration.txt";
  private static final String HELD_OUT = "heldout.txt";
  private static final List<String> FILES =
      List.of(
          "config.json",
          "tokenizer.json",
          "tokenizer_config.json",
          "model.safetensors",
          CALIBRATION,
          HELD_OUT);

  /**
   * Writes the files into a directory, which is created where it is absent; files that are there
   * already with the same content stay.
   */
  public static EmbeddedModel extract(Path directory) {
    try {
      Files.createDirectories(directory);
      for (var name : FILES) {
        var file = directory.resolve(name);
        var content = content(name);
        if (!Files.exists(file) || !Arrays.equals(Files.readAllBytes(file), content)) {
          put(file, content);
        }
      }
    } catch (IOException e) {
      throw new LatheException("cannot write the embedded model to " + directory + ": " + e, e);
    }
    return new EmbeddedModel(
        directory, directory.resolve(CALIBRATION), directory.resolve(HELD_OUT));
  }

  /** In the user's cache: {@code $XDG_CACHE_HOME/lathe}, else {@code ~/.cache/lathe}. */
  public static EmbeddedModel cached() {
    var base = System.getenv("XDG_CACHE_HOME");
    var cache =
        base == null || base.isBlank()
            ? Path.of(System.getProperty("user.home"), ".cache")
            : Path.of(base);
    return extract(cache.resolve("lathe").resolve("embedded-llama"));
  }

  private static byte[] content(String name) throws IOException {
    try (InputStream stream = EmbeddedModel.class.getResourceAsStream("embedded/" + name)) {
      if (stream == null) {
        throw new LatheException("this build of Lathe lacks its embedded model's " + name);
      }
      return stream.readAllBytes();
    }
  }

  /** Several processes may do this at once: each moves a whole file into place. */
  private static void put(Path file, byte[] content) throws IOException {
    var part = Files.createTempFile(file.toAbsolutePath().getParent(), ".embedded", ".part");
    try {
      Files.write(part, content);
      Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(part);
    }
  }
}

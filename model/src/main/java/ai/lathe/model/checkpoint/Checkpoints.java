package ai.lathe.model.checkpoint;

import ai.lathe.format.FormatException;
import ai.lathe.model.Checkpoint;
import ai.lathe.tensor.LatheException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;

/** Opens a model, whatever its format. */
public final class Checkpoints {

  private Checkpoints() {}

  /**
   * Opens what a person calls a model: a directory or a file.
   *
   * @throws LatheException in one line where there is no such model
   */
  public static Checkpoint open(String model) {
    Path path;
    try {
      path = Path.of(model);
    } catch (InvalidPathException e) {
      throw new LatheException("'" + model + "' is no path: " + e.getReason(), e);
    }
    return open(path);
  }

  /** Opens a directory or a file. */
  public static Checkpoint open(Path path) {
    if (!Files.exists(path)) {
      throw new FormatException(path + ": no such file or directory");
    }
    return HuggingFaceCheckpoint.open(path);
  }
}

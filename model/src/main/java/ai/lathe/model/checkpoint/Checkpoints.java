package ai.lathe.model.checkpoint;

import ai.lathe.format.FormatException;
import ai.lathe.format.safetensors.Safetensors;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.hub.Hub;
import ai.lathe.model.hub.HubSettings;
import ai.lathe.model.hub.ModelId;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;

/** Opens a model, whatever its format. */
public final class Checkpoints {

  private Checkpoints() {}

  /** Opens what a person calls a model, with no word on downloads. */
  public static Checkpoint open(String model) {
    return open(model, Progress.NONE);
  }

  /**
   * Opens what a person calls a model: a directory, a file, or a {@link ModelId} on a hub, which is
   * downloaded unless it is in the cache. What exists here wins over a hub's model.
   *
   * @throws LatheException in one line where there is no such model
   */
  public static Checkpoint open(String model, Progress progress) {
    return open(
        locate(
            model,
            id ->
                new Hub(HubSettings.of(System.getenv()), Companions.FILES, progress).snapshot(id)));
  }

  /** What exists wins over a model of the same name on a hub. */
  static Path locate(String model, Function<ModelId, Path> download) {
    // Some systems have no path with a colon, which the name of a hub's file has.
    var id = ModelId.parse(model);
    try {
      var path = Path.of(model);
      if (id.isEmpty() || Files.exists(path)) {
        return path;
      }
    } catch (InvalidPathException e) {
      if (id.isEmpty()) {
        throw new LatheException("'" + model + "' is no path: " + e.getReason(), e);
      }
    }
    return download.apply(id.get());
  }

  /**
   * Opens a directory in Hugging Face's layout or with a single GGUF or ONNX file, or one file of
   * safetensors, GGUF or ONNX.
   */
  public static Checkpoint open(Path path) {
    if (!Files.exists(path)) {
      throw new FormatException(path + ": no such file or directory");
    }
    if (!Files.isDirectory(path)) {
      return openFile(path);
    }
    boolean safetensors =
        Files.exists(path.resolve(Safetensors.SINGLE))
            || Files.exists(path.resolve(Safetensors.INDEX));
    if (safetensors) {
      return HuggingFaceCheckpoint.open(path);
    }
    var gguf = files(path, ".gguf");
    if (!gguf.isEmpty()) {
      return GgufCheckpoint.open(only(gguf, path));
    }
    for (var onnx : List.of(path.resolve("model.onnx"), path.resolve("onnx/model.onnx"))) {
      if (Files.exists(onnx)) {
        return HuggingFaceCheckpoint.openOnnx(onnx);
      }
    }
    var onnx = files(path, ".onnx");
    if (!onnx.isEmpty()) {
      return HuggingFaceCheckpoint.openOnnx(only(onnx, path));
    }
    throw new FormatException(
        path + ": no model there; expected model.safetensors, a .gguf or a .onnx file");
  }

  private static Checkpoint openFile(Path path) {
    var name = path.getFileName().toString();
    if (name.endsWith(".safetensors") || name.endsWith(".index.json")) {
      return HuggingFaceCheckpoint.open(path);
    }
    if (name.endsWith(".onnx")) {
      return HuggingFaceCheckpoint.openOnnx(path);
    }
    if (name.endsWith(".gguf") || beginsLikeGguf(path)) {
      return GgufCheckpoint.open(path);
    }
    throw new FormatException(path + ": neither .safetensors nor .gguf nor .onnx");
  }

  private static boolean beginsLikeGguf(Path path) {
    try (var input = Files.newInputStream(path)) {
      return new String(input.readNBytes(4), StandardCharsets.ISO_8859_1).equals("GGUF");
    } catch (IOException e) {
      throw FormatException.io("cannot read " + path, e);
    }
  }

  private static List<Path> files(Path directory, String ending) {
    try (var list = Files.list(directory)) {
      return list.filter(file -> file.toString().endsWith(ending)).sorted().toList();
    } catch (IOException e) {
      throw FormatException.io("cannot read " + directory, e);
    }
  }

  /** A split model's files are one model: its first stands for all. */
  private static Path only(List<Path> files, Path directory) {
    var models =
        files.stream()
            .filter(f -> !f.toString().matches(".*-(?!00001)\\d{5}-of-\\d{5}\\.gguf"))
            .toList();
    if (models.size() == 1) {
      return models.getFirst();
    }
    throw new FormatException(
        directory
            + ": holds "
            + models.size()
            + " models; name one, for example "
            + models.getFirst().getFileName());
  }
}

package ai.lathe.compress.dictionary;

import ai.lathe.format.FormatException;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.safetensors.SafetensorsFile;
import ai.lathe.format.safetensors.SafetensorsPlan;
import ai.lathe.format.safetensors.SafetensorsWriter;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Dictionaries of blocks that were learned together, beside the artifact until that is complete:
 * float32 {@code [atoms, in]} under the name of the layer that will store it. The file appears
 * whole or not at all, so that a run that is killed goes on behind it.
 */
final class DictionaryFile {

  private static final String FINGERPRINT = "lathe.dictionaries";
  private static final String NOTES = "lathe.dictionaries.notes";

  private DictionaryFile() {}

  /** What was said while they were learned; empty where the file is not there, or another run's. */
  static Optional<List<String>> notes(Path path, String fingerprint) {
    if (!Files.isRegularFile(path)) {
      return Optional.empty();
    }
    try (var file = SafetensorsFile.open(path)) {
      var notes = file.metadata().getOrDefault(NOTES, "").lines().toList();
      return fingerprint.equals(file.metadata().get(FINGERPRINT))
          ? Optional.of(notes)
          : Optional.empty();
    }
  }

  static void write(
      Path path, String fingerprint, Map<String, Matrix> dictionaries, List<String> notes) {
    var part = path.resolveSibling(path.getFileName() + ".part");
    var infos =
        dictionaries.entrySet().stream()
            .map(
                one ->
                    new TensorInfo(
                        one.getKey(),
                        DType.F32,
                        new long[] {one.getValue().rows(), one.getValue().columns()}))
            .toList();
    var plan =
        SafetensorsPlan.single(
            part.getFileName().toString(),
            infos,
            Map.of(FINGERPRINT, fingerprint, NOTES, String.join("\n", notes)));
    try {
      Files.createDirectories(path.getParent());
    } catch (IOException e) {
      throw FormatException.io("cannot make " + path.getParent(), e);
    }
    try (var writer = SafetensorsWriter.create(path.getParent(), plan)) {
      dictionaries.forEach(
          (name, atoms) ->
              writer.write(name, Tensor.ofFloats(atoms.values(), atoms.rows(), atoms.columns())));
      writer.finish();
    }
    try {
      Files.move(part, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw FormatException.io("cannot write " + path, e);
    }
  }
}

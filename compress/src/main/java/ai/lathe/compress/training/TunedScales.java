package ai.lathe.compress.training;

import ai.lathe.format.TensorInfo;
import ai.lathe.format.safetensors.SafetensorsFile;
import ai.lathe.format.safetensors.SafetensorsPlan;
import ai.lathe.format.safetensors.SafetensorsWriter;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Map;
import java.util.Optional;

/**
 * Scales that were tuned over the whole model, in a file beside the artifact until that is
 * complete. Weights are only overwritten once it is durable, so a run that is killed meanwhile goes
 * on from it.
 *
 * @param note what tuning came to, in one sentence
 * @param file float32, {@code [out, groups]} by matrix
 */
public record TunedScales(String note, SafetensorsFile file) implements AutoCloseable {

  private static final String FINGERPRINT = "lathe.tuning";
  private static final String NOTE = "lathe.tuning.note";

  public static Path fileFor(Path artifact) {
    return artifact.resolveSibling(artifact.getFileName() + ".scales.safetensors");
  }

  /** What an earlier run left, if it was of the same fingerprint. */
  public static Optional<TunedScales> reopen(Path path, String fingerprint) {
    if (!Files.isRegularFile(path)) {
      return Optional.empty();
    }
    var file = SafetensorsFile.open(path);
    if (fingerprint.equals(file.metadata().get(FINGERPRINT))) {
      return Optional.of(new TunedScales(file.metadata().getOrDefault(NOTE, ""), file));
    }
    file.close();
    return Optional.empty();
  }

  /** Writes, makes durable, and opens. */
  public static TunedScales write(
      Checkpoint model, Map<Address, float[]> scales, String note, Path path, String fingerprint) {
    var part = path.resolveSibling(path.getFileName() + ".part");
    var infos = new ArrayList<TensorInfo>();
    scales.forEach(
        (address, values) ->
            infos.add(new TensorInfo(name(model, address), DType.F32, new long[] {values.length})));
    var plan =
        SafetensorsPlan.single(
            part.getFileName().toString(), infos, Map.of(FINGERPRINT, fingerprint, NOTE, note));
    try (var writer = SafetensorsWriter.create(path.toAbsolutePath().getParent(), plan)) {
      scales.forEach(
          (address, values) ->
              writer.write(name(model, address), Tensor.ofFloats(values, values.length)));
      writer.finish();
    }
    try {
      Files.move(part, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw new LatheException("cannot write " + path + ": " + e.getMessage(), e);
    }
    return new TunedScales(note, SafetensorsFile.open(path));
  }

  private static String name(Checkpoint model, Address address) {
    return model.architecture().moduleName(address.block(), address.expert(), address.role())
        + ".weight_scale";
  }

  /** {@code [out, groups]} of a matrix. */
  public float[] of(Checkpoint model, Address address) {
    return file.tensor(name(model, address)).toFloats();
  }

  @Override
  public void close() {
    file.close();
  }
}

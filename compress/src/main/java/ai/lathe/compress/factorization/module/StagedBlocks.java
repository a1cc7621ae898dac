package ai.lathe.compress.factorization.module;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.JsonFields;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.safetensors.SafetensorsFile;
import ai.lathe.format.safetensors.SafetensorsPlan;
import ai.lathe.format.safetensors.SafetensorsWriter;
import ai.lathe.model.Address;
import ai.lathe.model.Address.Part;
import ai.lathe.model.BlockWidths;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.NarrowedCheckpoint;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Narrower blocks in a directory beside the artifact, until that is complete: a file for each
 * block, so that a run that was killed goes on with the next. Each file carries the fingerprint of
 * what it was made from; another's is overwritten.
 */
final class StagedBlocks implements AutoCloseable {

  private static final String FINGERPRINT = "lathe.narrowing";
  private static final String INFLUENCE = "influence";

  private final Path directory;
  private final String fingerprint;
  private final List<SafetensorsFile> open = new ArrayList<>();

  StagedBlocks(Path directory, String fingerprint) {
    this.directory = directory;
    this.fingerprint = fingerprint;
    try {
      Files.createDirectories(directory);
    } catch (IOException e) {
      throw new LatheException("cannot make " + directory + ": " + e.getMessage(), e);
    }
  }

  /** Of all blocks, if an earlier run of the same fingerprint measured it. */
  Optional<double[]> influence(int blocks) {
    var file = directory.resolve("influence.json");
    if (!Files.isRegularFile(file)) {
      return Optional.empty();
    }
    var fields = new JsonFields(Json.read(file), file.toString());
    var values = fields.object().path(INFLUENCE);
    if (!fields.text(FINGERPRINT).equals(Optional.of(fingerprint)) || values.size() != blocks) {
      return Optional.empty();
    }
    var influence = new double[blocks];
    for (int b = 0; b < blocks; b++) {
      influence[b] = values.get(b).asDouble(Double.NaN);
      if (!Double.isFinite(influence[b])) {
        throw fields.wrong(INFLUENCE, "a number for each block");
      }
    }
    return Optional.of(influence);
  }

  void put(double[] influence) {
    var object = Json.object().put(FINGERPRINT, fingerprint);
    var values = object.putArray(INFLUENCE);
    for (double value : influence) {
      values.add(value);
    }
    Json.write(directory.resolve("influence.json"), object);
  }

  private Path file(int block) {
    return directory.resolve("block-%d.safetensors".formatted(block));
  }

  /** Whether a block is there, whole and of this fingerprint. */
  boolean has(int block) {
    if (!Files.isRegularFile(file(block))) {
      return false;
    }
    try (var file = SafetensorsFile.open(file(block))) {
      return fingerprint.equals(file.metadata().get(FINGERPRINT));
    } catch (FormatException e) {
      return false;
    }
  }

  /** Writes what differs in a block, then moves the file into place. */
  void put(int block, Map<Address, Tensor> tensors) {
    var part = file(block).resolveSibling(file(block).getFileName() + ".part");
    var infos = new ArrayList<TensorInfo>();
    tensors.forEach(
        (address, tensor) ->
            infos.add(new TensorInfo(name(address), tensor.dtype(), tensor.shape())));
    var metadata = Map.of(FINGERPRINT, fingerprint);
    var plan = SafetensorsPlan.single(part.getFileName().toString(), infos, metadata);
    try (var writer = SafetensorsWriter.create(directory.toAbsolutePath(), plan)) {
      tensors.forEach((address, tensor) -> writer.write(name(address), tensor));
      writer.finish();
    }
    try {
      Files.move(
          part, file(block), StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw new LatheException("cannot write " + file(block) + ": " + e.getMessage(), e);
    }
  }

  /**
   * The model with all blocks that are here, which are read where they are until this is closed.
   */
  NarrowedCheckpoint model(Checkpoint source, List<BlockWidths> widths) {
    var matrices = new HashMap<Address, Dense>();
    var vectors = new HashMap<Address, Tensor>();
    for (int block = 0; block < widths.size(); block++) {
      var file = SafetensorsFile.open(file(block));
      open.add(file);
      for (var name : file.names()) {
        var address = address(block, name);
        if (address.isVector(source.architecture())) {
          vectors.put(address, file.tensor(name));
        } else {
          matrices.put(address, new Dense(file.tensor(name)));
        }
      }
    }
    return new NarrowedCheckpoint(source, widths, matrices, vectors);
  }

  private static String name(Address address) {
    return address.role() + "." + address.part();
  }

  private static Address address(int block, String name) {
    int dot = name.indexOf('.');
    var weight = Address.weight(block, Role.valueOf(name.substring(0, dot)));
    return Part.valueOf(name.substring(dot + 1)) == Part.BIAS ? weight.bias() : weight;
  }

  @Override
  public void close() {
    open.forEach(SafetensorsFile::close);
  }
}

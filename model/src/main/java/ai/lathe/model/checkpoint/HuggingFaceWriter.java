package ai.lathe.model.checkpoint;

import ai.lathe.format.FormatException;
import ai.lathe.format.safetensors.Safetensors;
import ai.lathe.format.safetensors.SafetensorsWriter;
import ai.lathe.model.Address;
import ai.lathe.model.CheckpointWriter;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;

/** Writes a {@link HuggingFacePlan} into a directory beside the target. */
final class HuggingFaceWriter implements CheckpointWriter {

  private final HuggingFacePlan plan;
  private final SafetensorsWriter tensors;
  private boolean durable;
  private boolean finished;

  private HuggingFaceWriter(HuggingFacePlan plan, SafetensorsWriter tensors, boolean durable) {
    this.plan = plan;
    this.tensors = tensors;
    this.durable = durable;
  }

  static HuggingFaceWriter create(HuggingFacePlan plan) {
    var staging = plan.staging();
    delete(staging);
    try {
      Files.createDirectories(staging);
      for (var file : plan.files().entrySet()) {
        var path = staging.resolve(file.getKey());
        Files.createDirectories(path.getParent());
        Files.write(path, file.getValue());
      }
    } catch (IOException e) {
      delete(staging);
      throw FormatException.io("cannot write to " + staging, e);
    }
    try {
      var tensors = SafetensorsWriter.create(staging, plan.tensors());
      plan.constants().forEach(tensors::write);
      return new HuggingFaceWriter(plan, tensors, false);
    } catch (LatheException e) {
      delete(staging);
      throw e;
    }
  }

  static HuggingFaceWriter resume(HuggingFacePlan plan, Collection<Address> written) {
    var staging = plan.staging();
    for (var file : plan.files().entrySet()) {
      if (!holds(staging.resolve(file.getKey()), file.getValue())) {
        throw new LatheException(
            staging + ": was begun with other settings; begin anew without resuming");
      }
    }
    var names = written.stream().flatMap(address -> plan.module(address).names().stream()).toList();
    var tensors = SafetensorsWriter.resume(staging, plan.tensors(), names);
    plan.constants().forEach(tensors::write);
    return new HuggingFaceWriter(plan, tensors, true);
  }

  private static boolean holds(Path file, byte[] content) {
    try {
      return Files.isRegularFile(file) && Arrays.equals(Files.readAllBytes(file), content);
    } catch (IOException e) {
      throw FormatException.io("cannot read " + file, e);
    }
  }

  @Override
  public void write(Address address, LinearWeight weight) {
    var module = plan.module(address);
    if (!module.matrix() || !module.encoding().equals(weight.encoding())) {
      throw new LatheException(
          module.stem()
              + " was planned as "
              + module.encoding().label()
              + ", and is "
              + weight.encoding().label());
    }
    plan.format()
        .codec(module.encoding())
        .encode(module.stem(), module.transposed() ? Transposition.of(weight) : weight)
        .forEach(tensors::write);
  }

  @Override
  public void write(Address address, Tensor vector) {
    var module = plan.module(address);
    if (module.matrix() || !(module.encoding() instanceof Encoding.Plain(DType dtype))) {
      throw new LatheException(module.stem() + " is a matrix, and a vector was given");
    }
    try (var arena = Arena.ofConfined()) {
      tensors.write(module.names().getFirst(), vector.to(dtype, arena));
    }
  }

  @Override
  public void flush() {
    tensors.flush();
    durable = true;
  }

  @Override
  public Path staging() {
    return plan.staging();
  }

  @Override
  public void finish() {
    tensors.finish();
    tensors.close();
    try {
      if (Files.isDirectory(plan.target())) {
        replaceFiles();
      } else {
        Files.move(
            staging(),
            plan.target(),
            StandardCopyOption.ATOMIC_MOVE,
            StandardCopyOption.REPLACE_EXISTING);
      }
    } catch (IOException e) {
      throw FormatException.io("cannot move " + staging() + " to " + plan.target(), e);
    }
    finished = true;
  }

  /** Into a directory that exists: only weights are taken away, other files may be the user's. */
  private void replaceFiles() throws IOException {
    var target = plan.target();
    try (var old = Files.list(target)) {
      for (var file : old.filter(HuggingFaceWriter::isWeights).toList()) {
        Files.delete(file);
      }
    }
    List<Path> files;
    try (var walk = Files.walk(staging())) {
      files = walk.filter(Files::isRegularFile).sorted().toList();
    }
    for (var file : files) {
      var to = target.resolve(staging().relativize(file));
      Files.createDirectories(to.getParent());
      Files.move(file, to, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }
    delete(staging());
  }

  private static boolean isWeights(Path file) {
    var name = file.getFileName().toString();
    return name.equals(Safetensors.SINGLE)
        || name.equals(Safetensors.INDEX)
        || name.matches("model-\\d{5}-of-\\d{5}\\.safetensors");
  }

  /** What a flush made durable is kept for {@link #resume}. */
  @Override
  public void close() {
    tensors.close();
    if (!finished && !durable) {
      delete(staging());
    }
  }

  private static void delete(Path directory) {
    if (!Files.exists(directory)) {
      return;
    }
    try (var walk = Files.walk(directory)) {
      for (var path : walk.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(path);
      }
    } catch (IOException e) {
      throw FormatException.io("cannot delete " + directory, e);
    }
  }
}

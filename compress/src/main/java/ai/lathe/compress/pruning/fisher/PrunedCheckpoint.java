package ai.lathe.compress.pruning.fisher;

import ai.lathe.format.TensorInfo;
import ai.lathe.format.safetensors.SafetensorsFile;
import ai.lathe.format.safetensors.SafetensorsPlan;
import ai.lathe.format.safetensors.SafetensorsWriter;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointView;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Sparse;
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
 * A model whose pruned matrices are {@link Sparse} of float32, read from a file beside the artifact
 * where they stand with their zeros. The file is a safetensors file that carries the fingerprint of
 * what it was made from and how.
 */
public final class PrunedCheckpoint extends CheckpointView {

  private static final String FINGERPRINT = "lathe.pruning";
  private static final String PATTERN = "lathe.pattern";

  private final SafetensorsFile file;
  private final Pattern pattern;
  private final Map<Address, String> names = new HashMap<>();

  private PrunedCheckpoint(Checkpoint source, SafetensorsFile file) {
    super(source);
    this.file = file;
    this.pattern =
        Pattern.parse(file.metadata().getOrDefault(PATTERN, Pattern.UNSTRUCTURED.label()));
    for (var address : source.addresses()) {
      var name = name(source, address);
      if (file.names().contains(name)) {
        names.put(address, name);
      }
    }
  }

  /** Where the pruned weights of a run are until its artifact is complete. */
  public static Path fileFor(Path artifact) {
    return artifact.resolveSibling(artifact.getFileName() + ".pruned.safetensors");
  }

  private static String name(Checkpoint source, Address address) {
    return source.architecture().moduleName(address.block(), address.expert(), address.role())
        + (address.part() == Address.Part.BIAS ? ".bias" : ".weight");
  }

  /** What an earlier run left, if it was of the same model, data and method. */
  static Optional<PrunedCheckpoint> reopen(Checkpoint source, Path path, String fingerprint) {
    if (!Files.isRegularFile(path)) {
      return Optional.empty();
    }
    var file = SafetensorsFile.open(path);
    if (fingerprint.equals(file.metadata().get(FINGERPRINT))) {
      return Optional.of(new PrunedCheckpoint(source, file));
    }
    file.close();
    return Optional.empty();
  }

  /** Writes the store's weights, moves the file into place and opens it. */
  static PrunedCheckpoint write(
      Checkpoint source, WeightStore store, Pattern pattern, Path path, String fingerprint) {
    var part = path.resolveSibling(path.getFileName() + ".part");
    var infos = new ArrayList<TensorInfo>();
    for (int i = 0; i < store.size(); i++) {
      long[] shape = {store.rows(i), store.columns(i)};
      infos.add(new TensorInfo(name(source, store.address(i)), DType.F32, shape));
    }
    var metadata = Map.of(FINGERPRINT, fingerprint, PATTERN, pattern.label());
    var plan = SafetensorsPlan.single(part.getFileName().toString(), infos, metadata);
    try (var writer = SafetensorsWriter.create(path.toAbsolutePath().getParent(), plan)) {
      for (int i = 0; i < store.size(); i++) {
        var values = Tensor.ofFloats(store.read(i), store.rows(i), store.columns(i));
        writer.write(infos.get(i).name(), values);
      }
      writer.finish();
    }
    try {
      Files.move(part, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw new LatheException("cannot write " + path + ": " + e.getMessage(), e);
    }
    return new PrunedCheckpoint(source, SafetensorsFile.open(path));
  }

  /** The matrices that were pruned. */
  public List<Address> pruned() {
    return source.addresses().stream().filter(names::containsKey).toList();
  }

  @Override
  public LinearWeight matrix(Address address) {
    var name = names.get(address);
    if (name == null) {
      return source.matrix(address);
    }
    var matrix = new Dense(file.tensor(name)).decode();
    return Sparse.of(Dense.of(matrix), mask(matrix, pattern), pattern);
  }

  /**
   * Keeps what is not zero, and as many zeros as the pattern has room for.
   *
   * @param matrix with no more weights than the pattern keeps
   */
  static Mask mask(Matrix matrix, Pattern pattern) {
    var filled = matrix.copy();
    var values = filled.values();
    switch (pattern) {
      case Pattern.Unstructured _ -> {
        // Nothing to fill.
      }
      case Pattern.SemiStructured(int kept, int of) -> {
        for (int first = 0; first < values.length; first += of) {
          int there = 0;
          for (int i = first; i < first + of; i++) {
            there += values[i] != 0 ? 1 : 0;
          }
          for (int i = first; i < first + of && there < kept; i++) {
            if (values[i] == 0) {
              values[i] = 1;
              there++;
            }
          }
        }
      }
      case Pattern.Blocks(int high, int wide) -> {
        for (int row = 0; row < matrix.rows(); row += high) {
          for (int column = 0; column < matrix.columns(); column += wide) {
            fill(filled, row, column, high, wide);
          }
        }
      }
    }
    return Mask.of(filled);
  }

  private static void fill(Matrix matrix, int row, int column, int high, int wide) {
    boolean any = false;
    for (int i = row; i < row + high; i++) {
      for (int j = column; j < column + wide; j++) {
        any |= matrix.at(i, j) != 0;
      }
    }
    for (int i = row; any && i < row + high; i++) {
      for (int j = column; j < column + wide; j++) {
        matrix.set(i, j, 1);
      }
    }
  }

  @Override
  public void close() {
    file.close();
  }
}

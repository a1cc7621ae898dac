package ai.lathe.model.checkpoint;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.safetensors.Safetensors;
import ai.lathe.format.safetensors.SafetensorsFile;
import ai.lathe.model.Address;
import ai.lathe.model.Address.Part;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.Tokenizer;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.config.HuggingFaceConfig;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** safetensors with a {@code config.json} beside, plain or compressed-tensors. */
final class HuggingFaceCheckpoint implements Checkpoint {

  static final String CONFIG = "config.json";

  private final Path directory;
  private final Architecture architecture;
  private final ModelConfig config;
  private final Safetensors tensors;
  private final Inventory inventory;
  private final Companions companions;

  private HuggingFaceCheckpoint(
      Path directory,
      Architecture architecture,
      ModelConfig config,
      Safetensors tensors,
      Inventory inventory) {
    this.directory = directory;
    this.architecture = architecture;
    this.config = config;
    this.tensors = tensors;
    this.inventory = inventory;
    this.companions = Companions.in(directory);
  }

  /** Opens a directory, or one safetensors file with its configuration beside it. */
  static HuggingFaceCheckpoint open(Path path) {
    var directory = Files.isDirectory(path) ? path : path.toAbsolutePath().getParent();
    var file = directory.resolve(CONFIG);
    if (!Files.exists(file)) {
      throw new FormatException(path + ": no " + CONFIG + " beside the weights");
    }
    var json = Json.read(file);
    var architecture = HuggingFaceConfig.architecture(json, file.toString());
    var tensors = Safetensors.open(path);
    try {
      var naming = Naming.HuggingFace.of(architecture, tensors.names());
      var config =
          HuggingFaceConfig.read(
              json,
              architecture,
              stored(architecture, naming, tensors.names(), tensors),
              hasOutput(architecture, naming, tensors.names()),
              file.toString());
      var inventory =
          Inventory.of(architecture, config, naming, tensors.names(), directory.toString());
      var checkpoint =
          new HuggingFaceCheckpoint(directory, architecture, config, tensors, inventory);
      checkpoint.checkShapes();
      return checkpoint;
    } catch (LatheException e) {
      tensors.close();
      throw e;
    }
  }

  /** The element type of the embedding, which no scheme compresses by default. */
  private static DType stored(
      Architecture architecture, Naming naming, Set<String> names, Safetensors tensors) {
    var first = architecture.outer().values().iterator().next();
    return naming
        .find(naming.stem(first, Address.OUTSIDE), Part.WEIGHT, names)
        .map(name -> tensors.info(name).dtype())
        .filter(DType::isFloat)
        .orElse(DType.F32);
  }

  private static boolean hasOutput(Architecture architecture, Naming naming, Set<String> names) {
    if (!architecture.has(Role.OUTPUT)) {
      return false;
    }
    var stem = naming.stem(architecture.parameter(Role.OUTPUT), Address.OUTSIDE);
    return naming.find(stem, Part.WEIGHT, names).isPresent();
  }

  private void checkShapes() {
    for (var address : inventory.addresses()) {
      var name = inventory.name(address);
      var expected = Inventory.shape(address, architecture, config);
      Inventory.requireShape(name, expected, tensors.info(name).shape(), directory.toString());
    }
  }

  @Override
  public Architecture architecture() {
    return architecture;
  }

  @Override
  public ModelConfig config() {
    return config;
  }

  @Override
  public Optional<Tokenizer> tokenizer() {
    return companions.tokenizer();
  }

  @Override
  public Map<String, byte[]> companions() {
    return companions.files();
  }

  @Override
  public List<Address> addresses() {
    return inventory.addresses();
  }

  @Override
  public LinearWeight matrix(Address address) {
    return new Dense(tensors.tensor(inventory.name(inventory.resolve(address, architecture))));
  }

  @Override
  public Optional<Tensor> vector(Address address) {
    return inventory.has(address)
        ? Optional.of(tensors.tensor(inventory.name(address)))
        : Optional.empty();
  }

  @Override
  public String name(Address address) {
    return inventory.stem(architecture.parameter(address.role()), address.block());
  }

  @Override
  public long bytes() {
    long weights = tensors.files().stream().mapToLong(SafetensorsFile::bytes).sum();
    var index = directory.resolve(Safetensors.INDEX);
    boolean sharded = tensors.files().size() > 1 && Files.exists(index);
    return weights
        + (sharded ? Sizes.of(index) : 0)
        + Sizes.of(directory.resolve(CONFIG))
        + Companions.bytes(directory);
  }

  @Override
  public String format() {
    return "safetensors";
  }

  @Override
  public void close() {
    companions.close();
    tensors.close();
  }
}

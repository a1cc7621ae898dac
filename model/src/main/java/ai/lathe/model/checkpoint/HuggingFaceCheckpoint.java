package ai.lathe.model.checkpoint;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.Quantization;
import ai.lathe.format.Quantization.Stored;
import ai.lathe.format.TensorSource;
import ai.lathe.format.gptq.GptqConfig;
import ai.lathe.format.onnx.OnnxFile;
import ai.lathe.format.quantized.Quantizations;
import ai.lathe.format.safetensors.Safetensors;
import ai.lathe.format.safetensors.SafetensorsFile;
import ai.lathe.model.Address;
import ai.lathe.model.Address.Part;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.RotaryPairs;
import ai.lathe.model.Tokenizer;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Architectures;
import ai.lathe.model.architecture.Parameter.Kind;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.config.HuggingFaceConfig;
import ai.lathe.model.config.OnnxConfig;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Tensors under transformers' names: safetensors, plain or compressed-tensors, with a {@code
 * config.json} beside, or the ONNX export of such a model.
 */
final class HuggingFaceCheckpoint implements Checkpoint {

  static final String CONFIG = "config.json";

  /** The class that configurations know linear layers by. */
  private static final String LINEAR = "Linear";

  private final String where;
  private final Architecture architecture;
  private final ModelConfig config;
  private final TensorSource tensors;
  private final Inventory inventory;
  private final Companions companions;
  private final Optional<Quantization> quantization;
  private final long bytes;

  private HuggingFaceCheckpoint(
      String where, ObjectNode json, TensorSource tensors, Companions companions, long bytes) {
    this.where = where;
    this.tensors = tensors;
    this.companions = companions;
    this.bytes = bytes;
    this.quantization = Quantizations.of(json, where);
    var names = tensors.names();
    var described = HuggingFaceConfig.architecture(json, where);
    this.architecture =
        Architectures.withHead(described).filter(a -> hasHead(a, names)).orElse(described);
    var naming = Naming.HuggingFace.of(architecture, names);
    var plain = json.deepCopy();
    plain.remove(Quantization.FIELD);
    this.config =
        HuggingFaceConfig.read(
            plain,
            architecture,
            stored(architecture, naming, names, tensors),
            hasOutput(architecture, naming, names),
            where);
    this.inventory =
        Inventory.of(
            architecture, config, naming, names, name -> tensors.info(name).shape(), where);
    checkShapes();
  }

  /** Opens a directory, or one safetensors file with its configuration beside it. */
  static HuggingFaceCheckpoint open(Path path) {
    var directory = Files.isDirectory(path) ? path : path.toAbsolutePath().getParent();
    var file = directory.resolve(CONFIG);
    if (!Files.exists(file)) {
      throw new FormatException(path + ": no " + CONFIG + " beside the weights");
    }
    var json = Json.read(file);
    var own = directory.resolve(GptqConfig.OWN_FILE);
    if (!json.has(Quantization.FIELD) && Files.exists(own)) {
      // AutoGPTQ kept it apart, and did not name its method there.
      json.set(Quantization.FIELD, Json.read(own).put("quant_method", "gptq"));
    }
    var tensors = Safetensors.open(path);
    long weights = tensors.files().stream().mapToLong(SafetensorsFile::bytes).sum();
    var index = directory.resolve(Safetensors.INDEX);
    long bytes =
        weights
            + (tensors.files().size() > 1 && Files.exists(index) ? Sizes.of(index) : 0)
            + Sizes.of(file)
            + Companions.bytes(directory);
    return guarded(directory.toString(), json, tensors, Companions.in(directory), bytes);
  }

  /**
   * Opens an ONNX export of an encoder, with its tokenizer and, if there is one, its configuration
   * beside it or in the directory above.
   */
  static HuggingFaceCheckpoint openOnnx(Path file) {
    var directory = file.toAbsolutePath().getParent();
    var above = directory.getParent();
    boolean inFolder = above != null && Files.exists(above.resolve(CONFIG));
    var home = !Files.exists(directory.resolve(CONFIG)) && inFolder ? above : directory;
    var config = home.resolve(CONFIG);
    var tensors = OnnxFile.open(file);
    try {
      var json =
          Files.exists(config) ? Json.read(config) : OnnxConfig.derive(tensors, file.toString());
      long bytes =
          Sizes.of(file)
              + (Files.exists(config) ? Sizes.of(config) : 0)
              + Companions.bytes(home, file);
      return guarded(file.toString(), json, tensors, Companions.in(home, file), bytes);
    } catch (LatheException e) {
      tensors.close();
      throw e;
    }
  }

  private static HuggingFaceCheckpoint guarded(
      String where, ObjectNode json, TensorSource tensors, Companions companions, long bytes) {
    try {
      return new HuggingFaceCheckpoint(where, json, tensors, companions, bytes);
    } catch (LatheException e) {
      tensors.close();
      throw e;
    }
  }

  /** The element type of the embedding, which no scheme compresses by default. */
  private static DType stored(
      Architecture architecture, Naming naming, Set<String> names, TensorSource tensors) {
    var first = architecture.outer().values().iterator().next();
    return naming
        .find(naming.stem(first, Address.weight(first.role())), Part.WEIGHT, names)
        .map(name -> tensors.info(name).dtype())
        .filter(DType::isFloat)
        .orElse(DType.F32);
  }

  private static boolean hasHead(Architecture architecture, Set<String> names) {
    var transform = Address.weight(Role.HEAD_TRANSFORM);
    var naming = Naming.HuggingFace.of(architecture, names);
    var stem = naming.stem(architecture.parameter(Role.HEAD_TRANSFORM), transform);
    return naming.find(stem, Part.WEIGHT, names).isPresent();
  }

  private static boolean hasOutput(Architecture architecture, Naming naming, Set<String> names) {
    if (!architecture.has(Role.OUTPUT)) {
      return false;
    }
    var stem = naming.stem(architecture.parameter(Role.OUTPUT), Address.weight(Role.OUTPUT));
    return naming.find(stem, Part.WEIGHT, names).isPresent();
  }

  private void checkShapes() {
    for (var address : inventory.addresses()) {
      var place = inventory.place(address);
      var stored = stored(address);
      var actual =
          stored
              .map(how -> how.codec().shape(name(address), how.encoding(), tensors))
              .orElseGet(() -> tensors.info(place.tensor()).shape());
      boolean turned = stored.isEmpty() && transposed(address);
      var expected = turned ? new long[] {place.shape()[1], place.shape()[0]} : place.shape();
      Inventory.requireShape(place.tensor(), expected, actual, where);
    }
    for (var address : inventory.addresses()) {
      if (address.role() == Role.ROTARY_PAIRS) {
        var stored = tensors.tensor(inventory.place(address).tensor());
        RotaryPairs.read(stored, config, address.block(), where + ": '" + name(address) + "'");
      }
    }
  }

  /** Whether the file holds a plain matrix as {@code [in, out]}. */
  private boolean transposed(Address address) {
    return address.part() == Part.WEIGHT && architecture.parameter(address.role()).transposed();
  }

  /** How a linear layer's weight is stored; empty for everything that is stored plain. */
  private Optional<Stored> stored(Address address) {
    boolean linear =
        address.part() == Part.WEIGHT
            && architecture.parameter(address.role()).kind() == Kind.LINEAR;
    return linear ? quantization.flatMap(q -> q.module(name(address), LINEAR)) : Optional.empty();
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
    var found = inventory.resolve(address);
    var place = inventory.place(found);
    var expected = config.shape(architecture, found);
    var stored = stored(found);
    if (stored.isEmpty()) {
      var tensor = tensors.tensor(place.tensor());
      return transposed(found)
          ? Transposition.of(new Dense(tensor))
          : new Dense(place.of(tensor, expected));
    }
    var weight = stored.get().codec().decode(name(found), stored.get().encoding(), tensors);
    long[] shape = {weight.rows(), weight.columns()};
    Inventory.requireShape(place.tensor(), expected, shape, where);
    return weight;
  }

  @Override
  public void release(int block) {
    var stem = architecture.blockNames().huggingFace().replace("{n}", Integer.toString(block));
    for (var name : tensors.names()) {
      if (("." + name).contains("." + stem + ".")) {
        var data = tensors.tensor(name).data();
        if (data.isMapped()) {
          data.unload();
        }
      }
    }
  }

  @Override
  public Optional<Tensor> vector(Address address) {
    return inventory.has(address)
        ? Optional.of(tensors.tensor(inventory.place(address).tensor()))
        : Optional.empty();
  }

  @Override
  public String name(Address address) {
    return inventory.label(address);
  }

  @Override
  public long bytes() {
    return bytes;
  }

  @Override
  public String format() {
    return tensors instanceof OnnxFile
        ? "ONNX"
        : quantization.map(q -> "safetensors (" + q.format() + ")").orElse("safetensors");
  }

  @Override
  public void close() {
    companions.close();
    tensors.close();
  }
}

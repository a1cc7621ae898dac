package ai.lathe.model.checkpoint;

import ai.lathe.format.FormatException;
import ai.lathe.format.gguf.GgufFile;
import ai.lathe.format.gguf.GgufMetadata;
import ai.lathe.format.gguf.GgufTensor;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.Pooling;
import ai.lathe.model.Tokenizer;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.config.GgufConfig;
import ai.lathe.model.config.GgufRope;
import ai.lathe.model.tokenizer.GgufVocabulary;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/** A GGUF file, or a split one. Rows that llama.cpp keeps in another order are put back. */
final class GgufCheckpoint implements Checkpoint {

  private final GgufFile file;
  private final Architecture architecture;
  private final ModelConfig config;
  private final Inventory inventory;
  private final Companions companions;

  private GgufCheckpoint(
      GgufFile file, Architecture architecture, ModelConfig config, Inventory inventory) {
    this.file = file;
    this.architecture = architecture;
    this.config = config;
    this.inventory = inventory;
    var where = file.path().toString();
    this.companions =
        new Companions(where, () -> GgufVocabulary.companions(file.metadata(), where));
  }

  static GgufCheckpoint open(Path path) {
    var file = GgufFile.open(path);
    try {
      var where = path.toString();
      var architecture = GgufConfig.architecture(file.metadata());
      var naming = new Naming.Gguf(architecture);
      var config =
          GgufConfig.read(file.metadata(), architecture, tensors(file, architecture), where);
      var inventory =
          Inventory.of(
              architecture,
              config,
              naming,
              file.tensors().keySet(),
              name -> file.info(name).shape(),
              where);
      for (var address : inventory.addresses()) {
        var place = inventory.place(address);
        var name = place.tensor();
        Inventory.requireShape(name, place.shape(), file.info(name).shape(), where);
      }
      return new GgufCheckpoint(file, architecture, config, inventory);
    } catch (RuntimeException e) {
      file.close();
      throw e;
    }
  }

  private static GgufConfig.Tensors tensors(GgufFile file, Architecture architecture) {
    var naming = new Naming.Gguf(architecture);
    var embedding = architecture.parameter(Role.TOKEN_EMBEDDING);
    var name = naming.write(embedding, Address.weight(Role.TOKEN_EMBEDDING));
    var shape = file.info(name).shape();
    if (shape.length != 2) {
      throw new FormatException(
          file.path()
              + ": tensor '"
              + name
              + "' should be a matrix, but has shape "
              + Arrays.toString(shape));
    }
    requireTokens(file, name, shape[0]);
    boolean output =
        architecture.has(Role.OUTPUT)
            && file.has(
                naming.write(architecture.parameter(Role.OUTPUT), Address.weight(Role.OUTPUT)));
    var divisors = new HashMap<String, List<Double>>();
    for (var factors : GgufRope.TENSORS) {
      if (file.has(factors)) {
        var values = file.tensor(factors).toFloats();
        divisors.put(
            factors, IntStream.range(0, values.length).mapToObj(i -> (double) values[i]).toList());
      }
    }
    return new GgufConfig.Tensors(shape[0], output, plainType(file), divisors);
  }

  /** Tokens without an embedding could not be read, and those without a text not be written. */
  private static void requireTokens(GgufFile file, String embedding, long rows) {
    var key = "tokenizer.ggml.tokens";
    long tokens = file.metadata().findStrings(key).map(List::size).orElse((int) rows);
    if (tokens != rows) {
      throw new FormatException(
          "%s: tensor '%s' has %d rows, one for each token, but '%s' holds %d tokens"
              .formatted(file.path(), embedding, rows, key, tokens));
    }
  }

  /** The type of matrices that are not in blocks; float16 where all are. */
  private static DType plainType(GgufFile file) {
    return file.tensors().values().stream()
        .filter(tensor -> tensor.shape().length == 2)
        .flatMap(tensor -> tensor.type().encoding().stream())
        .flatMap(e -> e instanceof Encoding.Plain(DType t) ? Optional.of(t).stream() : null)
        .findFirst()
        .orElse(DType.F16);
  }

  GgufMetadata metadata() {
    return file.metadata();
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
  public Pooling pooling() {
    var type = metadata().findInteger(architecture.ggufName() + ".pooling_type");
    // 0 says that states are not pooled: an embedding is then what most encoders take, the mean.
    return type.isEmpty() || type.getAsLong() == 0
        ? Pooling.MEAN
        : Pooling.ofGguf(type.getAsLong(), file.path().toString());
  }

  @Override
  public List<Address> addresses() {
    return inventory.addresses();
  }

  @Override
  public LinearWeight matrix(Address address) {
    var found = inventory.resolve(address);
    var place = inventory.place(found);
    var weight =
        place.isShared()
            ? file.matrix(place.tensor(), found.expert())
            : file.matrix(place.tensor());
    return form(found).matrix(weight);
  }

  @Override
  public void release(int block) {
    var stem = architecture.blockNames().gguf().replace("{n}", Integer.toString(block)) + ".";
    for (var tensor : file.tensors().values()) {
      if (tensor.name().startsWith(stem)) {
        file.release(tensor.name());
      }
    }
  }

  @Override
  public Optional<Tensor> vector(Address address) {
    if (!inventory.has(address)) {
      return Optional.empty();
    }
    return Optional.of(form(address).vector(file.tensor(inventory.place(address).tensor())));
  }

  private GgufForm form(Address address) {
    return GgufForm.of(address, architecture, config, /* toGguf= */ false);
  }

  @Override
  public String name(Address address) {
    return inventory.label(address);
  }

  @Override
  public long bytes() {
    return file.bytes();
  }

  /** Named after the type that most bytes have. */
  @Override
  public String format() {
    var bytes = new HashMap<String, Long>();
    for (GgufTensor tensor : file.tensors().values()) {
      bytes.merge(tensor.type().name(), tensor.bytes(), Long::sum);
    }
    return bytes.entrySet().stream()
        .max(Map.Entry.comparingByValue())
        .map(most -> "GGUF " + most.getKey())
        .orElse("GGUF");
  }

  @Override
  public void close() {
    companions.close();
    file.close();
  }
}

package ai.lathe.model.checkpoint;

import ai.lathe.format.Json;
import ai.lathe.format.Quantization;
import ai.lathe.format.QuantizationFormat;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.safetensors.SafetensorsPlan;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointWriter;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.model.architecture.Parameter.Kind;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.config.HuggingFaceConfig;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Tensor;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * A directory in Hugging Face's layout.
 *
 * @param target the directory
 * @param tensors the files of weights
 * @param files everything else, by name
 * @param modules every tensor of the model
 * @param constants tensors whose values are known before any weight is
 * @param format of compressed weights
 */
record HuggingFacePlan(
    Path target,
    SafetensorsPlan tensors,
    Map<String, byte[]> files,
    Map<Address, Module> modules,
    Map<String, Tensor> constants,
    QuantizationFormat format)
    implements CheckpointPlan {

  /**
   * Where a tensor goes.
   *
   * @param stem name without {@code .weight}
   * @param names of the tensors that hold it
   * @param encoding of a matrix, or the plain type of a vector
   * @param transposed the file holds the matrix as {@code [in, out]}
   */
  record Module(
      String stem, List<String> names, boolean matrix, Encoding encoding, boolean transposed) {}

  static HuggingFacePlan of(
      Path target,
      Checkpoint source,
      Map<Address, Encoding> matrices,
      QuantizationFormat format,
      boolean staticOrder) {
    var architecture = source.architecture();
    var naming = new Naming.HuggingFace(architecture, architecture.modelPrefixes().getFirst());
    var modules = new LinkedHashMap<Address, Module>();
    var infos = new ArrayList<TensorInfo>();
    var linears = new LinkedHashMap<String, Encoding>();
    var constants = new LinkedHashMap<String, Tensor>();
    for (var address : source.addresses()) {
      var parameter = architecture.parameter(address.role());
      var stem = naming.stem(parameter, address);
      var name = naming.write(parameter, address);
      var shape = source.config().shape(architecture, address);
      if (CheckpointWriters.isMatrix(source, address)) {
        var encoding = matrices.get(address);
        var codec = format.codec(encoding);
        boolean transposed = parameter.transposed() && encoding instanceof Encoding.Plain;
        int rows = (int) shape[transposed ? 1 : 0];
        int columns = (int) shape[transposed ? 0 : 1];
        var layout = codec.layout(stem, encoding, rows, columns);
        constants.putAll(codec.constants(stem, encoding, rows, columns));
        var names = layout.stream().map(TensorInfo::name).toList();
        modules.put(address, new Module(stem, names, true, encoding, transposed));
        infos.addAll(layout);
        if (parameter.kind() == Kind.LINEAR) {
          linears.put(stem, encoding);
        } else if (!(encoding instanceof Encoding.Plain)) {
          throw new LatheException(
              format.name() + " compresses linear layers, not the embedding " + stem);
        }
      } else {
        var vector = source.vector(address).orElseThrow();
        if (parameter.kind() == Kind.INDICES) {
          // Needed by whoever opens the unfinished model; zeros would make no sense of it.
          constants.put(name, vector);
        }
        var dtype = vector.dtype();
        var plain = new Encoding.Plain(dtype);
        modules.put(address, new Module(stem, List.of(name), false, plain, false));
        infos.add(new TensorInfo(name, dtype, shape));
      }
    }
    var files = new LinkedHashMap<String, byte[]>();
    var quantization = quantization(source, matrices, linears, format, staticOrder);
    files.put(HuggingFaceCheckpoint.CONFIG, Json.print(config(source, matrices, quantization)));
    quantization.ifPresent(q -> files.putAll(q.files()));
    files.putAll(new TreeMap<>(source.companions()));
    var tensors =
        SafetensorsPlan.sharded(infos, Map.of("format", "pt"), SafetensorsPlan.SHARD_BYTES);
    return new HuggingFacePlan(target, tensors, files, modules, constants, format);
  }

  private static ObjectNode config(
      Checkpoint source, Map<Address, Encoding> matrices, Optional<Quantization> quantization) {
    var architecture = source.architecture();
    var config = HuggingFaceConfig.of(source.config(), architecture);
    if (architecture.kind() == ModelKind.ENCODER) {
      // Heads for other tasks are not written.
      config.putArray("architectures").add(architecture.classes().getFirst());
      if (architecture.has(Role.OUTPUT)) {
        config.put("tie_word_embeddings", source.config().tiedEmbeddings());
      }
    } else {
      config.put("tie_word_embeddings", source.config().tiedEmbeddings());
      if (architecture.has(Role.QUERY)
          && !architecture.parameter(Role.QUERY).biased()
          && has(source, Role.QUERY)) {
        config.put("attention_bias", true);
      }
      if (has(source, Role.DOWN) && !architecture.parameter(Role.DOWN).biased()) {
        config.put("mlp_bias", true);
      }
    }
    var embedding = matrices.get(Address.weight(Role.TOKEN_EMBEDDING));
    if (embedding instanceof Encoding.Plain(DType dtype)) {
      config.put(config.has("dtype") ? "dtype" : "torch_dtype", HuggingFaceConfig.name(dtype));
    }
    quantization.ifPresent(q -> config.set(Quantization.FIELD, q.toJson()));
    return config;
  }

  /** What the configuration says of the linear layers; empty where all are plain. */
  private static Optional<Quantization> quantization(
      Checkpoint source,
      Map<Address, Encoding> matrices,
      LinkedHashMap<String, Encoding> linears,
      QuantizationFormat format,
      boolean staticOrder) {
    if (linears.values().stream().allMatch(Encoding.Plain.class::isInstance)) {
      return Optional.empty();
    }
    var embedding = matrices.get(Address.weight(Role.TOKEN_EMBEDDING));
    var plain = embedding == null ? new Encoding.Plain(DType.F16) : embedding;
    unwritten(source).forEach(name -> linears.put(name, plain));
    return Optional.of(format.describe(linears, staticOrder));
  }

  /** Linear layers that transformers makes although no weight of theirs is written. */
  private static List<String> unwritten(Checkpoint source) {
    var architecture = source.architecture();
    if (!architecture.has(Role.OUTPUT)) {
      return List.of("pooler.dense");
    }
    return source.config().tiedEmbeddings()
        ? List.of(architecture.parameter(Role.OUTPUT).huggingFace())
        : List.of();
  }

  private static boolean has(Checkpoint source, Role role) {
    return source.vector(Address.weight(0, role).bias()).isPresent();
  }

  @Override
  public long bytes() {
    return tensors.bytes() + files.values().stream().mapToLong(file -> file.length).sum();
  }

  @Override
  public Path staging() {
    return target.resolveSibling(target.getFileName() + ".partial");
  }

  @Override
  public List<String> notes() {
    return List.of();
  }

  Module module(Address address) {
    var module = modules.get(address);
    if (module == null) {
      throw new LatheException(address + " is not part of the model that is written");
    }
    return module;
  }

  @Override
  public CheckpointWriter create() {
    return HuggingFaceWriter.create(this);
  }

  @Override
  public CheckpointWriter resume(Collection<Address> written) {
    return HuggingFaceWriter.resume(this, written);
  }
}

package ai.lathe.model.checkpoint;

import ai.lathe.format.gguf.GgufMetadata;
import ai.lathe.format.gguf.GgufWriter;
import ai.lathe.format.gguf.GgufWriter.Planned;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointWriter;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.model.config.GgufConfig;
import ai.lathe.model.tokenizer.GgufTokenizerKeys;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * One GGUF file.
 *
 * @param tensors in file order
 * @param places where each address goes
 * @param ropeDivisors what {@code rope_freqs.weight} holds; null where there is none
 */
record GgufPlan(
    Path target,
    GgufMetadata metadata,
    List<Planned> tensors,
    Map<Address, Place> places,
    Tensor ropeDivisors)
    implements CheckpointPlan {

  private static final Encoding FLOAT = new Encoding.Plain(DType.F32);

  /** {@code general.file_type} of llama.cpp, by the type that most of the matrices have. */
  private static final Map<String, Integer> FILE_TYPES =
      Map.ofEntries(
          Map.entry("F32", 0),
          Map.entry("F16", 1),
          Map.entry("Q4_0", 2),
          Map.entry("Q4_1", 3),
          Map.entry("Q8_0", 7),
          Map.entry("Q5_0", 8),
          Map.entry("Q5_1", 9),
          Map.entry("Q2_K", 10),
          Map.entry("Q3_K", 11),
          Map.entry("Q4_K", 14),
          Map.entry("Q5_K", 16),
          Map.entry("Q6_K", 18),
          Map.entry("IQ4_NL", 25),
          Map.entry("BF16", 32),
          Map.entry("MXFP4", 38),
          Map.entry("NVFP4", 39));

  /**
   * Where a tensor goes.
   *
   * @param rows how its rows are reordered, or null
   */
  record Place(String name, boolean matrix, Encoding encoding, RowPermutation rows) {}

  static GgufPlan of(Path target, Checkpoint source, Map<Address, Encoding> matrices) {
    var architecture = source.architecture();
    var config = source.config();
    var naming = new Naming.Gguf(architecture);
    var places = new LinkedHashMap<Address, Place>();
    var tensors = new ArrayList<Planned>();
    Tensor divisors = null;
    if (GgufConfig.needsDivisors(config)) {
      var values = GgufConfig.divisors(config.rope());
      divisors = Tensor.ofFloats(values, values.length);
      tensors.add(new Planned(Naming.Gguf.ROPE_FACTORS, divisors.shape(), FLOAT));
    }
    for (var address : source.addresses()) {
      var parameter = architecture.parameter(address.role());
      var name = naming.write(naming.stem(parameter, address.block()), address.part());
      boolean matrix = CheckpointWriters.isMatrix(source, address);
      var encoding = matrix ? matrices.get(address) : FLOAT;
      var rows = RowPermutation.of(parameter, config.headSize(), /* toGguf= */ true);
      places.put(address, new Place(name, matrix, encoding, rows));
      tensors.add(new Planned(name, Inventory.shape(address, architecture, config), encoding));
    }
    var plan = new GgufPlan(target, metadata(target, source, matrices), tensors, places, divisors);
    // Fails here, before anything is written, where GGUF cannot hold one of them.
    plan.bytes();
    return plan;
  }

  private static GgufMetadata metadata(
      Path target, Checkpoint source, Map<Address, Encoding> matrices) {
    var metadata = GgufMetadata.builder();
    GgufConfig.write(source.config(), source.architecture(), metadata);
    metadata.string("general.name", target.getFileName().toString().replaceFirst("\\.gguf$", ""));
    if (source.architecture().kind() == ModelKind.ENCODER) {
      var pooling = Pooling.of(source.companions());
      metadata.u32(source.architecture().name() + ".pooling_type", pooling.ggufId());
    }
    var most = mostUsed(source, matrices);
    if (FILE_TYPES.containsKey(most)) {
      metadata.u32("general.file_type", FILE_TYPES.get(most));
    }
    if (matrices.values().stream().anyMatch(Encoding.Blocked.class::isInstance)) {
      metadata.u32("general.quantization_version", 2);
    }
    if (source instanceof GgufCheckpoint gguf) {
      gguf.metadata().values().entrySet().stream()
          .filter(entry -> entry.getKey().startsWith("tokenizer."))
          .forEach(entry -> metadata.put(entry.getKey(), entry.getValue()));
    } else {
      GgufTokenizerKeys.put(source.companions(), source.config(), metadata);
    }
    return metadata.build();
  }

  private static String mostUsed(Checkpoint source, Map<Address, Encoding> matrices) {
    var bytes = new HashMap<String, Long>();
    matrices.forEach(
        (address, encoding) -> {
          var shape = Inventory.shape(address, source.architecture(), source.config());
          bytes.merge(encoding.label(), shape[0] * shape[1], Long::sum);
        });
    return bytes.entrySet().stream()
        .max(Map.Entry.<String, Long>comparingByValue().thenComparing(Map.Entry.comparingByKey()))
        .map(Map.Entry::getKey)
        .orElse("");
  }

  @Override
  public long bytes() {
    return GgufWriter.bytes(metadata, tensors);
  }

  @Override
  public Path staging() {
    return target.resolveSibling(target.getFileName() + ".partial");
  }

  Place place(Address address) {
    var place = places.get(address);
    if (place == null) {
      throw new LatheException(address + " is not part of the model that is written");
    }
    return place;
  }

  @Override
  public CheckpointWriter create() {
    return new GgufModelWriter(this, GgufWriter.create(target, metadata, tensors));
  }

  @Override
  public CheckpointWriter resume(Collection<Address> written) {
    var writer = GgufWriter.resume(target, metadata, tensors);
    for (var address : written) {
      var name = place(address).name();
      if (!writer.written().contains(name)) {
        writer.close();
        throw new LatheException(staging() + ": " + name + " should be there, and is not");
      }
    }
    return new GgufModelWriter(this, writer);
  }
}

package ai.lathe.model.checkpoint;

import ai.lathe.format.gguf.GgufMetadata;
import ai.lathe.format.gguf.GgufWriter;
import ai.lathe.format.gguf.GgufWriter.Planned;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointWriter;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.model.config.GgufConfig;
import ai.lathe.model.config.GgufRope;
import ai.lathe.model.tokenizer.GgufTokenizerKeys;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Tensor;
import java.nio.file.Path;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * One GGUF file.
 *
 * @param tensors in file order
 * @param destinations where each address goes
 * @param constants tensors that belong to the configuration, by name
 * @param notes what llama.cpp makes of the file, where it is not quite the model
 */
record GgufPlan(
    Path target,
    GgufMetadata metadata,
    List<Planned> tensors,
    Map<Address, Destination> destinations,
    Map<String, Tensor> constants,
    List<String> notes)
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
   * @param piece which matrix of the tensor it is, where that holds those of all experts; else
   *     {@link GgufWriter#WHOLE}
   * @param form how its values differ from the model's
   */
  record Destination(String name, int piece, boolean matrix, Encoding encoding, GgufForm form) {}

  static GgufPlan of(Path target, Checkpoint source, Map<Address, Encoding> matrices) {
    var architecture = source.architecture();
    if (architecture.llamaCpp().isEmpty()) {
      throw new LatheException(
          "GGUF has no architecture '" + architecture.name() + "'; write safetensors");
    }
    var config = source.config();
    var naming = new Naming.Gguf(architecture);
    var metadata = metadata(target, source, matrices);
    var destinations = new LinkedHashMap<Address, Destination>();
    var tensors = new LinkedHashMap<String, Planned>();
    var constants = new LinkedHashMap<String, Tensor>();
    GgufRope.tensors(config)
        .forEach((name, values) -> constants.put(name, Tensor.ofFloats(values, values.length)));
    constants.forEach(
        (name, tensor) -> tensors.put(name, new Planned(name, tensor.shape(), FLOAT)));
    for (var address : source.addresses()) {
      var parameter = architecture.parameter(address.role());
      boolean matrix = CheckpointWriters.isMatrix(source, address);
      var place =
          parameter.perExpert()
              ? naming.stacked(parameter, address, config).orElseThrow()
              : Place.own(naming.write(parameter, address), config.shape(architecture, address));
      var name = place.tensor();
      var encoding = matrix ? matrices.get(address) : FLOAT;
      var planned = tensors.computeIfAbsent(name, _ -> new Planned(name, place.shape(), encoding));
      if (!planned.encoding().equals(encoding)) {
        throw new LatheException(
            "GGUF keeps %s of all experts in one type: expert %d cannot be %s where another is %s"
                .formatted(name, address.expert(), encoding.label(), planned.encoding().label()));
      }
      int piece = place.isShared() ? address.expert() : GgufWriter.WHOLE;
      var form = GgufForm.of(address, architecture, config, /* toGguf= */ true);
      destinations.put(address, new Destination(name, piece, matrix, encoding, form));
    }
    var plan =
        new GgufPlan(
            target,
            metadata,
            List.copyOf(tensors.values()),
            destinations,
            constants,
            GgufConfig.notes(config, architecture));
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
      var pooling = source.pooling();
      metadata.u32(source.architecture().ggufName() + ".pooling_type", pooling.ggufId());
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
          var shape = source.config().shape(source.architecture(), address);
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

  Destination destination(Address address) {
    var destination = destinations.get(address);
    if (destination == null) {
      throw new LatheException(address + " is not part of the model that is written");
    }
    return destination;
  }

  @Override
  public CheckpointWriter create() {
    return new GgufModelWriter(this, GgufWriter.create(target, metadata, tensors));
  }

  @Override
  public CheckpointWriter resume(Collection<Address> written) {
    var writer = GgufWriter.resume(target, metadata, tensors);
    for (var address : written) {
      var name = destination(address).name();
      if (!writer.written().contains(name)) {
        writer.close();
        throw new LatheException(staging() + ": " + name + " should be there, and is not");
      }
    }
    return new GgufModelWriter(this, writer);
  }
}

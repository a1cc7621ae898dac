package ai.lathe.bench;

import ai.lathe.format.TensorInfo;
import ai.lathe.format.safetensors.SafetensorsPlan;
import ai.lathe.format.safetensors.SafetensorsWriter;
import ai.lathe.model.Address;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Architectures;
import ai.lathe.model.architecture.Parameter;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Writes a Llama of random bfloat16 weights in Hugging Face's layout, a tensor at a time, to
 * measure memory and time on models of real size. The tokenizer is the embedded model's: its ids
 * are a part of the vocabulary.
 *
 * <pre>SyntheticLlama OUT [1.1b | 492m | 135m | tiny]</pre>
 */
public final class SyntheticLlama {

  private static final long SEED = 1;
  private static final int CHUNK = 1 << 16;

  private SyntheticLlama() {}

  public static void main(String[] arguments) {
    if (arguments.length < 1 || arguments.length > 2) {
      throw new LatheException("usage: SyntheticLlama OUT [1.1b | 492m | 135m | tiny]");
    }
    var shape = LlamaShape.named(arguments.length == 2 ? arguments[1] : "1.1b");
    write(Path.of(arguments[0]), shape);
  }

  /** The directory must be absent or empty. */
  static void write(Path directory, LlamaShape shape) {
    var llama = Architectures.forModelType("llama");
    var config = shape.config();
    try {
      Files.createDirectories(directory);
      try (var files = Files.list(directory)) {
        if (files.findAny().isPresent()) {
          throw new LatheException(directory + " is not empty");
        }
      }
      Files.writeString(directory.resolve("config.json"), config.huggingFace().toPrettyString());
      Files.writeString(
          directory.resolve("README.md"),
          "A Llama of random weights, to measure speed and memory with.\n");
      var embedded = EmbeddedModel.cached().directory();
      for (var name : new String[] {"tokenizer.json", "tokenizer_config.json"}) {
        Files.copy(
            embedded.resolve(name), directory.resolve(name), StandardCopyOption.REPLACE_EXISTING);
      }
    } catch (IOException e) {
      throw new LatheException("cannot write to " + directory + ": " + e, e);
    }
    var parameters = new LinkedHashMap<TensorInfo, Double>();
    llama.outer().values().stream()
        .filter(parameter -> parameter.role() != Role.OUTPUT_NORM)
        .filter(parameter -> parameter.role() != Role.OUTPUT)
        .forEach(parameter -> add(parameters, llama, config, Address.OUTSIDE, parameter));
    for (int block = 0; block < config.blocks(); block++) {
      for (var parameter : config.parameters(llama, block)) {
        add(parameters, llama, config, block, parameter);
      }
    }
    add(parameters, llama, config, Address.OUTSIDE, llama.parameter(Role.OUTPUT_NORM));
    add(parameters, llama, config, Address.OUTSIDE, llama.parameter(Role.OUTPUT));
    write(directory, parameters);
  }

  private static void add(
      Map<TensorInfo, Double> parameters,
      Architecture llama,
      ModelConfig config,
      int block,
      Parameter parameter) {
    var prefix =
        block == Address.OUTSIDE
            ? ""
            : llama.blockNames().huggingFace().replace("{n}", Integer.toString(block)) + ".";
    var name = prefix + parameter.huggingFace() + ".weight";
    var shape = config.shape(llama, Address.weight(block, parameter.role()));
    parameters.put(new TensorInfo(name, DType.BF16, shape), deviation(config, block, parameter));
  }

  /** 0 for norms, which are one. Sums into the residual stream grow with depth: divided by it. */
  private static double deviation(ModelConfig config, int block, Parameter parameter) {
    if (!parameter.isMatrix()) {
      return 0;
    }
    double keepsVariance = 1 / Math.sqrt(config.size(parameter.columns(), block));
    return switch (parameter.role()) {
      case TOKEN_EMBEDDING -> 1;
      case ATTENTION_OUTPUT, DOWN -> keepsVariance / Math.sqrt(2.0 * config.blocks());
      default -> keepsVariance;
    };
  }

  private static void write(Path directory, Map<TensorInfo, Double> parameters) {
    var plan =
        SafetensorsPlan.sharded(
            java.util.List.copyOf(parameters.keySet()),
            Map.of("format", "pt"),
            SafetensorsPlan.SHARD_BYTES);
    try (var writer = SafetensorsWriter.create(directory, plan)) {
      parameters.forEach(
          (info, deviation) -> {
            try (var arena = Arena.ofShared()) {
              writer.write(info.name(), random(info, deviation, arena));
            }
          });
      writer.finish();
    }
    System.out.printf("%s: %d bytes of weights%n", directory, plan.bytes());
  }

  /** Each chunk has a seed of its own, so the values do not depend on the number of threads. */
  private static Tensor random(TensorInfo info, double deviation, Arena arena) {
    long elements = Tensor.elements(info.shape());
    var data = arena.allocate(info.bytes(), 64);
    IntStream.range(0, Math.toIntExact(Math.ceilDiv(elements, (long) CHUNK)))
        .parallel()
        .forEach(
            chunk -> {
              long from = (long) chunk * CHUNK;
              int count = (int) Math.min(CHUNK, elements - from);
              var random = new SplittableRandom(SEED + 31L * info.name().hashCode() + chunk);
              var values = new float[count];
              for (int i = 0; i < count; i++) {
                values[i] = deviation == 0 ? 1 : (float) (deviation * random.nextGaussian());
              }
              Tensor.putFloats(DType.BF16, values, count, data, from);
            });
    return new Tensor(DType.BF16, info.shape(), data);
  }
}

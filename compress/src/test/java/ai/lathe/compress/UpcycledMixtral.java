package ai.lathe.compress;

import ai.lathe.format.Json;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.safetensors.SafetensorsPlan;
import ai.lathe.format.safetensors.SafetensorsWriter;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Tensor;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Writes a Mixtral made of the embedded Llama: each of five experts is its feed-forward, disturbed.
 * The router's rows are {@code a, -a, b, -b, 0}: for each token two of the first four score above
 * 0, so that no token ever goes to the last. Also run by tools/check_llama_cpp.sh.
 *
 * @see <a href="https://arxiv.org/abs/2212.05055">Komatsuzaki et al., Sparse Upcycling, 2022</a>
 */
final class UpcycledMixtral {

  static final int EXPERTS = 5;
  static final int UNROUTED = 4;

  private final Checkpoint dense;
  private final int blocks;
  private final SplittableRandom random = new SplittableRandom(3);
  private final Map<String, Tensor> tensors = new LinkedHashMap<>();

  private UpcycledMixtral(Checkpoint dense, int blocks) {
    this.dense = dense;
    this.blocks = blocks;
  }

  public static void main(String[] arguments) throws IOException {
    write(Path.of(arguments[0]), 4);
  }

  /** With the first {@code blocks} of the embedded model. */
  static Path write(Path directory, int blocks) throws IOException {
    var embedded = EmbeddedModel.extract(directory);
    var weights = directory.resolve("model.safetensors");
    try (var dense = Checkpoints.open(embedded.directory());
        var arena = Arena.ofConfined()) {
      var mixture = new UpcycledMixtral(dense, blocks);
      mixture.build(arena);
      var infos = new ArrayList<TensorInfo>();
      mixture.tensors.forEach(
          (name, tensor) -> infos.add(new TensorInfo(name, tensor.dtype(), tensor.shape())));
      var part = SafetensorsPlan.single("part", infos, Map.of("format", "pt"));
      try (var writer = SafetensorsWriter.create(directory, part)) {
        mixture.tensors.forEach(writer::write);
        writer.finish();
      }
      Files.write(directory.resolve("config.json"), Json.print(mixture.config()));
    }
    Files.delete(weights);
    Files.move(directory.resolve("part"), weights);
    return directory;
  }

  private ObjectNode config() {
    var config = dense.config().huggingFace().deepCopy();
    config.putArray("architectures").add("MixtralForCausalLM");
    config.put("model_type", "mixtral").put("num_hidden_layers", blocks);
    return config.put("num_local_experts", EXPERTS).put("num_experts_per_tok", 2);
  }

  private void build(Arena arena) {
    for (var address : dense.addresses()) {
      if (address.block() >= blocks) {
        continue;
      }
      var name = dense.name(address);
      if (address.isVector(dense.architecture())) {
        tensors.put(name + ".weight", dense.vector(address).orElseThrow());
        continue;
      }
      var matrix = dense.matrix(address).decode();
      switch (address.role()) {
        case GATE -> {
          var prefix = name.replace("mlp.gate_proj", "block_sparse_moe.gate");
          tensors.put(prefix + ".weight", router(matrix.columns(), arena));
          experts(name, "gate_proj", "w1", matrix.values(), matrix.columns(), arena);
        }
        case UP -> experts(name, "up_proj", "w3", matrix.values(), matrix.columns(), arena);
        case DOWN -> experts(name, "down_proj", "w2", matrix.values(), matrix.columns(), arena);
        default -> put(name, matrix.values(), matrix.columns(), arena);
      }
    }
  }

  private Tensor router(int columns, Arena arena) {
    var rows = new float[EXPERTS * columns];
    for (int row = 0; row < UNROUTED; row += 2) {
      for (int j = 0; j < columns; j++) {
        float value = (float) (random.nextGaussian() / Math.sqrt(columns));
        rows[row * columns + j] = value;
        rows[(row + 1) * columns + j] = -value;
      }
    }
    return Tensor.ofFloats(rows, EXPERTS, columns).to(DType.BF16, arena);
  }

  private void experts(
      String name, String part, String expertPart, float[] values, int columns, Arena arena) {
    double square = 0;
    for (float value : values) {
      square += (double) value * value;
    }
    double deviation = 0.2 * Math.sqrt(square / values.length);
    for (int expert = 0; expert < EXPERTS; expert++) {
      var disturbed = values.clone();
      for (int i = 0; i < disturbed.length; i++) {
        disturbed[i] += (float) (deviation * random.nextGaussian());
      }
      var stem = "block_sparse_moe.experts." + expert + "." + expertPart;
      put(name.replace("mlp." + part, stem), disturbed, columns, arena);
    }
  }

  private void put(String name, float[] values, int columns, Arena arena) {
    var tensor = Tensor.ofFloats(values, values.length / columns, columns);
    tensors.put(name + ".weight", tensor.to(DType.BF16, arena));
  }
}

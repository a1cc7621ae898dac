package ai.lathe.model.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.format.Json;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.safetensors.SafetensorsPlan;
import ai.lathe.format.safetensors.SafetensorsWriter;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.BiFunction;

/** Tiny models for tests: written by name, copied through a plan, compared bit by bit. */
final class Models {

  private Models() {}

  /** A model of random float32 tensors with these names and shapes. */
  static Path write(Path directory, String config, Map<String, long[]> shapes) {
    var random = new Random(7);
    var tensors = new LinkedHashMap<String, Tensor>();
    shapes.forEach(
        (name, shape) -> {
          var values = new float[(int) Tensor.elements(shape)];
          for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
          }
          tensors.put(name, Tensor.ofFloats(values, shape));
        });
    return writeTensors(directory, config, tensors);
  }

  static Path writeTensors(Path directory, String config, Map<String, Tensor> tensors) {
    try {
      Files.createDirectories(directory);
      Files.writeString(directory.resolve("config.json"), config);
      var infos = new ArrayList<TensorInfo>();
      tensors.forEach(
          (name, tensor) -> infos.add(new TensorInfo(name, tensor.dtype(), tensor.shape())));
      var plan = SafetensorsPlan.single("model.safetensors", infos, Map.of());
      try (var writer = SafetensorsWriter.create(directory, plan)) {
        tensors.forEach(writer::write);
        writer.finish();
      }
      return directory;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A mixtral with the experts of a block in one tensor. */
  static Path stack(Path directory, Checkpoint mixtral) {
    var tensors = new LinkedHashMap<String, Tensor>();
    var parts = new LinkedHashMap<String, List<float[]>>();
    for (var address : mixtral.addresses()) {
      var experts = "model.layers." + address.block() + ".mlp.experts.";
      var values = values(mixtral, address);
      switch (address.role()) {
        case EXPERT_GATE, EXPERT_UP ->
            parts.computeIfAbsent(experts + "gate_up_proj", _ -> new ArrayList<>()).add(values);
        case EXPERT_DOWN ->
            parts.computeIfAbsent(experts + "down_proj", _ -> new ArrayList<>()).add(values);
        default -> {
          var name = mixtral.name(address).replace("block_sparse_moe.gate", "mlp.gate");
          var shape = mixtral.config().shape(mixtral.architecture(), address);
          tensors.put(name + ".weight", Tensor.ofFloats(values, shape));
        }
      }
    }
    int experts = mixtral.config().experts().orElseThrow().count();
    parts.forEach(
        (name, all) -> {
          var buffer = FloatBuffer.allocate(all.size() * all.getFirst().length);
          all.forEach(buffer::put);
          int columns =
              name.endsWith("down_proj")
                  ? mixtral.config().feedForward()
                  : mixtral.config().hidden();
          int rows = buffer.capacity() / experts / columns;
          tensors.put(name, Tensor.ofFloats(buffer.array(), experts, rows, columns));
        });
    return writeTensors(directory, mixtral.config().huggingFace().toString(), tensors);
  }

  /** Every matrix as it is stored. */
  static Map<Address, Encoding> asStored(Checkpoint source) {
    return encodings(source, (address, weight) -> weight.encoding());
  }

  static Map<Address, Encoding> encodings(
      Checkpoint source, BiFunction<Address, LinearWeight, Encoding> choice) {
    var encodings = new LinkedHashMap<Address, Encoding>();
    for (var address : source.addresses()) {
      if (CheckpointWriters.isMatrix(source, address)) {
        encodings.put(address, choice.apply(address, source.matrix(address)));
      }
    }
    return encodings;
  }

  /** Writes all of it, unchanged where the encoding is the same. */
  static void copy(Checkpoint source, CheckpointPlan plan, Map<Address, Encoding> encodings) {
    try (var writer = plan.create()) {
      for (var address : source.addresses()) {
        if (CheckpointWriters.isMatrix(source, address)) {
          writer.write(address, encode(source.matrix(address), encodings.get(address)));
        } else {
          writer.write(address, source.vector(address).orElseThrow());
        }
      }
      writer.finish();
    }
  }

  /** Rounded to nearest; good enough to see whether what is written is what is read. */
  static LinearWeight encode(LinearWeight weight, Encoding encoding) {
    return encoding instanceof Encoding.Grouped(IntegerScheme scheme, DType type, boolean index)
        ? round(weight.decode(), scheme)
        : weight;
  }

  private static GroupQuantized round(Matrix weight, IntegerScheme scheme) {
    int groups = scheme.groups(weight.columns());
    int size = weight.columns() / groups;
    var codes = new byte[weight.rows() * weight.columns()];
    var scales = new float[weight.rows() * groups];
    for (int i = 0; i < scales.length; i++) {
      // A power of two is the same in float16.
      scales[i] = 0x1p-2f;
      for (int j = 0; j < size; j++) {
        int at = i * size + j;
        int code = Math.round(weight.values()[at] / scales[i]);
        codes[at] = (byte) Math.clamp(code, scheme.min(), scheme.max());
      }
    }
    var stored = Tensor.ofFloats(scales, weight.rows(), groups);
    return new GroupQuantized(
        scheme,
        weight.rows(),
        weight.columns(),
        codes,
        stored.to(DType.F16, java.lang.foreign.Arena.ofAuto()),
        null);
  }

  /** Same addresses, and every tensor decodes to the same bits. */
  static void assertSame(Checkpoint actual, Checkpoint expected) {
    assertThat(actual.addresses()).isEqualTo(expected.addresses());
    for (var address : expected.addresses()) {
      assertThat(values(actual, address))
          .as(address.toString())
          .isEqualTo(values(expected, address));
    }
  }

  static float[] values(Checkpoint model, Address address) {
    return CheckpointWriters.isMatrix(model, address)
        ? model.matrix(address).decode().values()
        : model.vector(address).orElseThrow().toFloats();
  }

  static long bytesBelow(Path path) {
    try (var walk = Files.walk(path)) {
      return walk.filter(Files::isRegularFile).mapToLong(Sizes::of).sum();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static String config(String type, String more) {
    var json =
        "{\"model_type\": \""
            + type
            + "\", \"hidden_size\": 16, \"intermediate_size\": 24,"
            + " \"num_hidden_layers\": 2, \"num_attention_heads\": 2, \"vocab_size\": 40,"
            + " \"max_position_embeddings\": 32"
            + more
            + "}";
    return Json.parse(json.getBytes(java.nio.charset.StandardCharsets.UTF_8), "test").toString();
  }
}

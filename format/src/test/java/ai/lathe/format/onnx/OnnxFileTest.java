package ai.lathe.format.onnx;

import static ai.lathe.format.onnx.OnnxBytes.model;
import static ai.lathe.format.onnx.OnnxBytes.node;
import static ai.lathe.format.onnx.OnnxBytes.tensor;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.format.FormatException;
import ai.lathe.format.HostileInput;
import ai.lathe.format.TensorInfo;
import ai.lathe.tensor.DType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.ShrinkingMode;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OnnxFileTest {

  private static byte[] floats(float... values) {
    var bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    for (float value : values) {
      bytes.putFloat(value);
    }
    return bytes.array();
  }

  /** As exported: a folded linear weight, its bias, an equal copy of it, integers. */
  private static OnnxBytes graph() {
    return new OnnxBytes()
        .message(1, node("MatMul", "/encoder/layer.0/query/MatMul", "y", "x", "onnx::MatMul_7"))
        .message(
            1, node("Add", "/encoder/layer.0/query/Add", "z", "encoder.layer.0.query.bias", "y"))
        .message(
            1,
            node(
                "Identity", "Identity_1", "encoder.layer.0.key.bias", "encoder.layer.0.query.bias"))
        .message(5, tensor("onnx::MatMul_7", 1, 2, 3).bytes(9, floats(1, 2, 3, 4, 5, 6)))
        .message(5, tensor("encoder.layer.0.query.bias", 1, 3).bytes(4, floats(7, 8, 9)))
        .message(5, tensor("position_ids", 7, 1, 4).varints(7, 0, 1, -1, 1L << 40))
        .message(5, tensor("half", 10, 2).varints(5, 0x3C00, 0xC000));
  }

  private static OnnxFile open(OnnxBytes graph) {
    return OnnxFile.of(MemorySegment.ofArray(model(graph)));
  }

  @Test
  void weightsHaveTheNamesAndShapesOfTheirModules() {
    var file = open(graph());
    assertThat(file.names())
        .containsExactly(
            "encoder.layer.0.query.weight",
            "encoder.layer.0.query.bias",
            "position_ids",
            "half",
            "encoder.layer.0.key.bias");
    var weight = file.tensor("encoder.layer.0.query.weight");
    assertThat(weight.shape()).containsExactly(3, 2);
    assertThat(weight.toFloats()).containsExactly(1, 4, 2, 5, 3, 6);
    assertThat(file.tensor("encoder.layer.0.query.bias").toFloats()).containsExactly(7, 8, 9);
    assertThat(file.tensor("encoder.layer.0.key.bias").toFloats()).containsExactly(7, 8, 9);
    var positions = file.tensor("position_ids");
    assertThat(List.of(positions.getLong(0), positions.getLong(2), positions.getLong(3)))
        .containsExactly(0L, -1L, 1L << 40);
    assertThat(file.tensor("half").toFloats()).containsExactly(1, -2);
  }

  private static void assertRefused(OnnxBytes graph, String message) {
    assertThatThrownBy(
            () -> {
              var file = open(graph);
              file.names().forEach(file::tensor);
            })
        .isInstanceOf(FormatException.class)
        .hasMessageContaining(message);
  }

  @Test
  void quantizedModelsAreRefused() {
    for (var operator : List.of("MatMulInteger", "DequantizeLinear", "MatMulNBits")) {
      assertRefused(graph().message(1, node(operator, "/q", "o", "x")), "is quantized already");
    }
  }

  @Test
  void contradictoryInitializersAreRefused() {
    var two = floats(1, 2);
    assertRefused(graph().message(5, tensor("a", 1, 3).bytes(9, two)), "needs 12 bytes, but 8 are");
    assertRefused(graph().message(5, tensor("a", 1, 2)), "needs 8 bytes, but 0 are stored");
    assertRefused(graph().message(5, tensor("a", 1, -2).bytes(9, two)), "negative dimension");
    assertRefused(graph().message(5, tensor("a", 1, 1L << 62, 4).bytes(9, two)), "is too large");
    assertRefused(graph().message(5, tensor("a", 1, 1L << 62).bytes(9, two)), "is too large");
    assertRefused(graph().message(5, tensor("a", 8, 2).bytes(9, two)), "unknown element type 8");
    assertRefused(graph().message(5, tensor("a", 7, 3).varints(7, 1, 2)), "are stored as VARINTS");
    assertRefused(graph().message(5, tensor("a", 7, 3).varints(7, 1, 200, 3, 4)), "another number");
    assertRefused(
        graph().message(5, tensor("a", 1, 2).bytes(9, two).bytes(4, two)), "in two places");
    assertRefused(graph().message(5, tensor("a", 1, 1).fixed32(4, 1)), "one by one");
    assertRefused(
        graph().message(5, tensor("half", 1, 2).bytes(9, two)),
        "two initializers are called 'half'");
    assertRefused(graph().message(5, tensor("a", 1, 2).integer(14, 1)), "are in another file");
    assertRefused(
        graph()
            .message(1, node("MatMul", "/m/MatMul", "y", "x", "onnx::MatMul_8"))
            .message(5, tensor("onnx::MatMul_8", 1, 1L << 40, 0)),
        "is too large");
    assertRefused(graph().message(5, tensor("a", 1, new long[65])), "more than 64 dimensions");
  }

  @Test
  void filesThatAreNotOnnxAreRefused(@TempDir Path directory) throws IOException {
    var path = directory.resolve("model.onnx");
    for (var bytes : List.of(new byte[0], "{\"a\": 1}".getBytes(), new byte[] {58, 127})) {
      Files.write(path, bytes);
      assertThatThrownBy(() -> OnnxFile.open(path))
          .isInstanceOf(FormatException.class)
          .hasMessageStartingWith(path.toString());
    }
    var whole = model(graph());
    Files.write(path, java.util.Arrays.copyOf(whole, whole.length - 10));
    assertThatThrownBy(() -> OnnxFile.open(path)).hasMessageContaining("not a valid ONNX file");
    assertThatThrownBy(() -> OnnxFile.open(directory.resolve("none")))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("no such file");
  }

  @Provide
  Arbitrary<byte[]> files() {
    return HostileInput.from(
        List.of(model(graph()), model(new OnnxBytes())),
        List.of(
            "onnx::MatMul_7", "MatMul", "/", ".", "Identity", "\u0008\u007f", "\n\n\n\n", "JJJJ"));
  }

  @Property(tries = 25_000, shrinking = ShrinkingMode.OFF)
  void damagedFilesAreRefusedOrReadable(@ForAll("files") byte[] file) {
    HostileInput.assertTame(
        file,
        bytes -> {
          var onnx = OnnxFile.of(MemorySegment.ofArray(bytes));
          onnx.names().forEach(onnx::tensor);
        });
  }

  /** The names and shapes of a Hugging Face BertModel of 6 layers, width 384. */
  private static List<TensorInfo> miniLm() {
    var infos = new ArrayList<TensorInfo>();
    add(infos, "embeddings.word_embeddings.weight", 30522, 384);
    add(infos, "embeddings.position_embeddings.weight", 512, 384);
    add(infos, "embeddings.token_type_embeddings.weight", 2, 384);
    add(infos, "embeddings.LayerNorm.weight", 384);
    add(infos, "embeddings.LayerNorm.bias", 384);
    for (int i = 0; i < 6; i++) {
      var layer = "encoder.layer." + i + ".";
      for (var part : List.of("self.query", "self.key", "self.value", "output.dense")) {
        add(infos, layer + "attention." + part + ".weight", 384, 384);
        add(infos, layer + "attention." + part + ".bias", 384);
      }
      add(infos, layer + "intermediate.dense.weight", 1536, 384);
      add(infos, layer + "intermediate.dense.bias", 1536);
      add(infos, layer + "output.dense.weight", 384, 1536);
      add(infos, layer + "output.dense.bias", 384);
      for (var norm : List.of("attention.output.LayerNorm", "output.LayerNorm")) {
        add(infos, layer + norm + ".weight", 384);
        add(infos, layer + norm + ".bias", 384);
      }
    }
    add(infos, "pooler.dense.weight", 384, 384);
    add(infos, "pooler.dense.bias", 384);
    return infos;
  }

  private static void add(List<TensorInfo> infos, String name, long... shape) {
    infos.add(new TensorInfo(name, DType.F32, shape));
  }

  @Test
  void aRealEncoderLoadsAsABertCheckpoint(@TempDir Path directory) throws IOException {
    var path = directory.resolve("model.onnx");
    try (var jar = getClass().getResourceAsStream("/all-minilm-l6-v2.onnx")) {
      Files.copy(Objects.requireNonNull(jar, "the MiniLM jar is on the test class path"), path);
    }
    try (var file = OnnxFile.open(path)) {
      var found = new ArrayList<TensorInfo>();
      file.names().forEach(name -> found.add(file.info(name)));
      found.removeIf(info -> info.name().equals("embeddings.position_ids"));
      assertThat(found).containsExactlyInAnyOrderElementsOf(miniLm());
      // Values as the Python package onnx reads them (element [1, 0] of the initializer for [0,
      // 1]).
      var query = file.tensor("encoder.layer.0.attention.self.query.weight");
      assertThat(query.toFloats()[1]).isEqualTo(QUERY_0_1);
      assertThat(query.toFloats()[384]).isEqualTo(QUERY_1_0);
      var down = file.tensor("encoder.layer.5.output.dense.weight").toFloats();
      assertThat(down[2 * 1536 + 1000]).isEqualTo(DOWN_2_1000);
      assertThat(file.tensor("embeddings.LayerNorm.weight").toFloats()[7]).isEqualTo(NORM_7);
    }
  }

  private static final float QUERY_0_1 = 0.043580376f;
  private static final float QUERY_1_0 = 0.035969656f;
  private static final float DOWN_2_1000 = -0.02679378f;
  private static final float NORM_7 = 0.6152664f;
}

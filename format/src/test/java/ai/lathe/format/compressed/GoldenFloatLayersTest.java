package ai.lathe.format.compressed;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.format.Json;
import ai.lathe.format.JsonFields;
import ai.lathe.format.compressed.QuantizationConfig.ActivationOrder;
import ai.lathe.format.safetensors.SafetensorsFile;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.FloatQuantized;
import ai.lathe.tensor.Tensor;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Layers that the Python package compressed (tools/golden_float_layers.py). */
class GoldenFloatLayersTest {

  private static final ObjectNode DESCRIBED = Json.read(resource("floats.json"));

  private static Path resource(String name) {
    try {
      var found = GoldenFloatLayersTest.class.getResource("/compressed/" + name);
      return Path.of(Objects.requireNonNull(found).toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  static List<String> layers() {
    return DESCRIBED.propertyStream().map(java.util.Map.Entry::getKey).toList();
  }

  private record Layer(JsonFields arguments, ConfiguredCodec codec, Encoding encoding) {
    static Layer of(String name) {
      var arguments = new JsonFields(DESCRIBED, "floats.json").object(name).orElseThrow();
      var codec = CompressedTensors.configured(arguments.requiredText("format")).orElseThrow();
      var inputs = arguments.object("input_activations").map(ActivationArguments::read);
      var weights = arguments.object("weights").orElseThrow();
      return new Layer(arguments, codec, codec.encoding(weights, inputs.orElse(Activations.NONE)));
    }

    FloatQuantized decode(String name, SafetensorsFile file) {
      return (FloatQuantized) codec.decode(name, encoding, file);
    }
  }

  private static byte[] bytes(Tensor tensor) {
    return tensor.data().toArray(ValueLayout.JAVA_BYTE);
  }

  @ParameterizedTest
  @MethodSource("layers")
  void decodesToTheSameValues(String name) {
    try (var file = SafetensorsFile.open(resource("floats.safetensors"))) {
      // The package computes in the type of the scales; so rounded, ours are the same bits.
      var decoded = file.tensor(name + ".decoded");
      var values = Layer.of(name).decode(name, file).decode().values();
      var rounded = MemorySegment.ofArray(new byte[(int) decoded.data().byteSize()]);
      Tensor.putFloats(decoded.dtype(), values, values.length, rounded, 0);
      assertThat(rounded.toArray(ValueLayout.JAVA_BYTE)).isEqualTo(bytes(decoded));
    }
  }

  @ParameterizedTest
  @MethodSource("layers")
  void encodesToTheSameTensors(String name) {
    try (var file = SafetensorsFile.open(resource("floats.safetensors"))) {
      var layer = Layer.of(name);
      var weight = layer.decode(name, file);
      assertThat(CompressedTensors.codec(weight.encoding())).isSameAs(layer.codec);
      var tensors = layer.codec.encode(name, weight);
      long written = 0;
      for (var entry : tensors.entrySet()) {
        written += entry.getValue().data().byteSize();
        assertThat(entry.getValue().shape()).isEqualTo(file.info(entry.getKey()).shape());
        assertThat(entry.getValue().dtype()).isEqualTo(file.info(entry.getKey()).dtype());
        assertThat(bytes(entry.getValue())).isEqualTo(bytes(file.tensor(entry.getKey())));
      }
      var names =
          file.names().stream()
              .filter(stored -> stored.startsWith(name + "."))
              .filter(stored -> !stored.endsWith(".decoded") && !stored.endsWith(".original"))
              .toList();
      assertThat(tensors.keySet()).containsExactlyInAnyOrderElementsOf(names);
      assertThat(layer.codec.shape(name, weight.encoding(), file))
          .containsExactly(weight.rows(), weight.columns());
      assertThat(written)
          .isEqualTo(weight.encoding().bytes(weight.rows(), weight.columns()))
          .isEqualTo(layer.codec.bytes(weight.encoding(), weight.rows(), weight.columns()));
    }
  }

  @ParameterizedTest
  @MethodSource("layers")
  void roundsToTheSameCodes(String name) {
    try (var file = SafetensorsFile.open(resource("floats.safetensors"))) {
      var weight = Layer.of(name).decode(name, file);
      var original = file.tensor(name + ".original").toFloats();
      var scales = weight.scales().toFloats();
      var tile = weight.scheme().tile();
      int across = tile.across(weight.columns());
      int wide = tile.columns() == 0 ? weight.columns() : tile.columns();
      int high = tile.rows() == 0 ? weight.rows() : tile.rows();
      for (int i = 0; i < original.length; i++) {
        int row = i / weight.columns();
        int column = i % weight.columns();
        float scale = scales[row / high * across + column / wide] / weight.globalScale();
        var type = weight.scheme().type();
        assertThat(type.round(original[i] / scale))
            .isEqualTo(type.decode(weight.codes()[i]))
            .as("weight %d, %d", row, column);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("layers")
  void describesThemAlike(String name) {
    var layer = Layer.of(name);
    var weights = layer.codec.weights(layer.encoding, ActivationOrder.NONE);
    assertThat(weights).isEqualTo(layer.arguments.object().get("weights"));
    var inputs = ActivationArguments.write(layer.encoding.activations());
    var expected = layer.arguments.object("input_activations");
    // Which observer found a static range is of no use to a reader.
    expected.ifPresent(e -> e.object().remove("observer"));
    assertThat(inputs).isEqualTo(expected.map(JsonFields::object).orElse(null));
  }
}

package ai.lathe.format.compressed;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.JsonFields;
import ai.lathe.format.MapSource;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.TensorSource;
import ai.lathe.format.safetensors.SafetensorsFile;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Tensor;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SparseBitmaskTest {

  private static Path resource(String name) throws URISyntaxException {
    var resource = SparseBitmaskTest.class.getResource("/compressed/" + name);
    return Path.of(Objects.requireNonNull(resource).toURI());
  }

  private static byte[] bytes(Tensor tensor) {
    return tensor.data().toArray(ValueLayout.JAVA_BYTE);
  }

  /** Layers that the Python package compressed (tools/golden_sparse.py). */
  @ParameterizedTest
  @CsvSource({
    "sparse-bitmask, 1, 1",
    "sparse-bitmask, 5, 13",
    "sparse-bitmask, 7, 64",
    "sparse-bitmask, 3, 100",
    "sparse-24-bitmask, 1, 4",
    "sparse-24-bitmask, 5, 16",
    "sparse-24-bitmask, 3, 20",
    "sparse-24-bitmask, 4, 136"
  })
  void golden(String format, int rows, int columns) throws URISyntaxException {
    try (var file = SafetensorsFile.open(resource("sparse.safetensors"))) {
      for (var type : List.of(DType.F32, DType.F16, DType.BF16)) {
        var prefix = "%s.%s.%dx%d".formatted(format, type, rows, columns);
        var codec = (SparseBitmask) CompressedTensors.configured(format).orElseThrow();
        var structure = codec == SparseBitmask.ANY ? "unstructured" : "2:4";
        var weight = codec.decode(prefix, codec.encoding(structure, "config"), file);
        assertThat(codec.shape(prefix, weight.encoding(), file)).containsExactly(rows, columns);
        var decoded = file.tensor(prefix + ".decoded");
        assertThat(weight.decode().values()).isEqualTo(decoded.toFloats());
        assertThat(bytes(((Dense) weight.dense()).tensor())).isEqualTo(bytes(decoded));
        assertThat(weight.encoding().pattern().label()).isEqualTo(structure);
        var again = codec.encode(prefix, weight);
        for (var tensor : again.entrySet()) {
          assertThat(file.info(tensor.getKey()))
              .isEqualTo(
                  new TensorInfo(
                      tensor.getKey(), tensor.getValue().dtype(), tensor.getValue().shape()));
          assertThat(bytes(tensor.getValue())).isEqualTo(bytes(file.tensor(tensor.getKey())));
        }
        assertThat(codec.layout(prefix, weight.encoding(), rows, columns))
            .containsExactlyElementsOf(again.keySet().stream().map(file::info).toList());
        long constant = codec == SparseBitmask.ANY ? 16 + 8L * rows : 16;
        assertThat(codec.bytes(weight.encoding(), rows, columns))
            .isEqualTo(weight.encoding().bytes(rows, columns) + constant);
      }
    }
  }

  private static Sparse random(Pattern pattern, int rows, int columns, DType type) {
    var random = new Random(rows + columns);
    var matrix = Matrix.zeros(rows, columns);
    for (int i = 0; i < rows * columns; i++) {
      matrix.values()[i] = (float) random.nextGaussian();
    }
    var bits = new long[rows * Math.ceilDiv(columns, 64)];
    for (int row = 0; row < rows; row++) {
      for (int j = 0; j < columns; j++) {
        boolean keep =
            pattern instanceof Pattern.SemiStructured(int kept, int of)
                ? (j + row) % of < kept
                : random.nextInt(3) == 0;
        if (keep) {
          bits[row * Math.ceilDiv(columns, 64) + (j >> 6)] |= 1L << j;
        }
      }
    }
    var tensor = Tensor.ofFloats(matrix.values(), rows, columns).to(type, Arena.ofAuto());
    return Sparse.of(new Dense(tensor), new Mask(rows, columns, bits), pattern);
  }

  @ParameterizedTest
  @CsvSource({
    "unstructured, 6, 100, sparse-bitmask",
    "4:8, 6, 72, sparse-bitmask",
    "1:4, 3, 68, sparse-bitmask",
    "2:4, 6, 72, sparse-24-bitmask"
  })
  void aModelOfOnePatternIsDescribedAsTheirsIs(String label, int rows, int columns, String format) {
    var pattern = Pattern.parse(label);
    var weight = random(pattern, rows, columns, DType.BF16);
    var modules = new LinkedHashMap<String, Encoding>();
    modules.put("a", weight.encoding());
    modules.put("b", new Encoding.Plain(DType.F16));
    var config = QuantizationConfig.describe(modules, false);
    assertThat(config.format()).isEqualTo("compressed-tensors " + format);
    var json = config.toJson();
    assertThat(json.fieldNames())
        .toIterable()
        .containsExactlyInAnyOrder("quant_method", "version", "sparsity_config");
    var read = QuantizationConfig.read(new JsonFields(json, "config.json"));
    assertThat(read).isEqualTo(config);
    assertThat(read.module("b", "Linear")).isEmpty();
    var stored = read.module("a", "Linear").orElseThrow();
    assertThat(stored.codec().name()).isEqualTo(format);
    var source = new MapSource(stored.codec().encode("a", weight));
    var back = (Sparse) stored.codec().decode("a", stored.encoding(), source);
    assertThat(back.encoding()).isEqualTo(weight.encoding());
    assertThat(back.mask()).isEqualTo(weight.mask());
    assertThat(back.decode().values()).isEqualTo(weight.decode().values());
  }

  @Test
  void theFieldsAreThePackages() throws URISyntaxException {
    var theirs = Json.read(resource("sparsity_config.json"));
    for (var format : List.of("sparse-bitmask", "sparse-24-bitmask")) {
      var config = Json.object().put("quant_method", "compressed-tensors");
      config.set("sparsity_config", theirs.get(format));
      var read = QuantizationConfig.read(new JsonFields(config, "config.json"));
      assertThat(read.toJson().get("sparsity_config")).isEqualTo(theirs.get(format));
      assertThat(read.module("lm_head", "Linear")).isEmpty();
      assertThat(read.module("q", "Linear").orElseThrow().codec().name()).isEqualTo(format);
      assertThat(read.module("norm", "RMSNorm")).isEmpty();
    }
  }

  @Test
  void modelsOfSeveralWaysAreLathesOwn() {
    var unstructured = random(Pattern.UNSTRUCTURED, 6, 72, DType.BF16).encoding();
    var other = Encoding.Sparse.withZeros(Pattern.UNSTRUCTURED, 1, 7, unstructured.values());
    var half = random(Pattern.parse("2:4"), 6, 72, DType.BF16).encoding();
    var modules = new LinkedHashMap<String, Encoding>();
    modules.put("a", unstructured);
    modules.put("b", half);
    modules.put("c", other);
    var config = QuantizationConfig.describe(modules, false);
    assertThat(config.format()).isEqualTo("lathe mixed-precision");
    assertThat(config.groups()).hasSize(2);
    var read = QuantizationConfig.read(new JsonFields(config.toJson(), "config.json"));
    assertThat(read.module("a", "Linear").orElseThrow().codec()).isSameAs(SparseBitmask.ANY);
    assertThat(read.module("c", "Linear").orElseThrow().codec()).isSameAs(SparseBitmask.ANY);
    assertThat(read.module("b", "Linear").orElseThrow().codec()).isSameAs(SparseBitmask.TWO_FOUR);
  }

  private static void refused(SparseBitmask codec, Map<String, Tensor> tensors, String... words) {
    TensorSource source = new MapSource(tensors);
    var encoding = codec.encoding(codec == SparseBitmask.ANY ? "unstructured" : "2:4", "config");
    assertThatThrownBy(() -> codec.decode("m", encoding, source))
        .isInstanceOf(FormatException.class)
        .hasMessageContainingAll(words)
        .hasMessageNotContaining("\n");
  }

  private static Map<String, Tensor> changed(
      SparseBitmask codec, Sparse weight, String name, UnaryOperator<byte[]> change) {
    var tensors = new LinkedHashMap<>(codec.encode("m", weight));
    var old = tensors.get("m." + name);
    var data = change.apply(bytes(old));
    tensors.put(
        "m." + name,
        new Tensor(old.dtype(), old.shape(), java.lang.foreign.MemorySegment.ofArray(data)));
    return tensors;
  }

  @Test
  void whatContradictsItselfIsRefused() {
    var weight = random(Pattern.UNSTRUCTURED, 5, 13, DType.F32);
    var any = SparseBitmask.ANY;
    refused(any, changed(any, weight, "bitmask", b -> flip(b, 0, 1)), "row_offsets", "row 1");
    refused(any, changed(any, weight, "bitmask", b -> flip(b, 8, 1)), "compressed", "keeps");
    refused(any, changed(any, weight, "bitmask", b -> flip(b, 1, 0x80)), "beyond the last of 13");
    refused(any, changed(any, weight, "row_offsets", b -> flip(b, 16, 1)), "row_offsets", "row 2");
    refused(any, changed(any, weight, "shape", b -> flip(b, 3, 0x80)), "shape");
    refused(any, changed(any, weight, "shape", b -> flip(b, 0, 2)), "bitmask");
    var half = SparseBitmask.TWO_FOUR;
    var even = random(Pattern.parse("2:4"), 3, 8, DType.F32);
    refused(half, changed(half, even, "bitmask", b -> flip(b, 0, 0b10100)), "2:4");
    for (var name : half.suffixes()) {
      var tensors = new LinkedHashMap<>(half.encode("m", even));
      tensors.put("m" + name, Tensor.ofFloats(new float[7], 7));
      refused(half, tensors, "m" + name);
      tensors.remove("m" + name);
      refused(half, tensors, "m" + name);
    }
  }

  private static byte[] flip(byte[] data, int at, int bits) {
    var changed = data.clone();
    changed[at] ^= (byte) bits;
    return changed;
  }

  @ParameterizedTest
  @CsvSource({
    "sparse-bitmask, 4x1, 4x1",
    "sparse-bitmask, 9:4, pattern",
    "sparse-24-bitmask, 4:8, 4:8",
    "sparse-48-bitmask, 2:4, sparse-bitmask",
    "marlin-24, 2:4, sparse-24-bitmask"
  })
  void configurationsThatCannotBeAreRefused(String format, String structure, String word) {
    ObjectNode config = Json.object().put("quant_method", "compressed-tensors");
    config.putObject("sparsity_config").put("format", format).put("sparsity_structure", structure);
    assertThatThrownBy(() -> QuantizationConfig.read(new JsonFields(config, "config.json")))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("config.json")
        .hasMessageContaining(word);
  }
}

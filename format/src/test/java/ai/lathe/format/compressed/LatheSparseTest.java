package ai.lathe.format.compressed;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.format.FormatException;
import ai.lathe.format.JsonFields;
import ai.lathe.format.MapSource;
import ai.lathe.format.TensorInfo;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.IntegerType;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class LatheSparseTest {

  private static void comesBack(Sparse weight) {
    int rows = weight.rows();
    int columns = weight.columns();
    var encoding = weight.encoding();
    var modules = new LinkedHashMap<String, Encoding>();
    modules.put("m.q", encoding);
    var config = QuantizationConfig.describe(modules, false);
    var read = QuantizationConfig.read(new JsonFields(config.toJson(), "config.json"));
    var stored = read.module("m.q", "Linear").orElseThrow();
    var codec = stored.codec();
    assertThat(codec).isEqualTo(CompressedTensors.codec(encoding));
    var tensors = codec.encode("m.q", weight);
    assertThat(codec.layout("m.q", encoding, rows, columns))
        .containsExactlyElementsOf(
            tensors.entrySet().stream()
                .map(e -> new TensorInfo(e.getKey(), e.getValue().dtype(), e.getValue().shape()))
                .toList());
    assertThat(tensors.keySet()).allMatch(name -> codec.suffixes().contains(name.substring(3)));
    assertThat(tensors).containsKey("m.q" + codec.suffixes().getFirst());
    long written = tensors.values().stream().mapToLong(tensor -> tensor.data().byteSize()).sum();
    // The shape; and where rows begin, in sparse-bitmask.
    long constant = 16 + (codec == SparseBitmask.ANY ? 8L * rows : 0);
    assertThat(written).isEqualTo(codec.bytes(encoding, rows, columns));
    assertThat(written).isEqualTo(encoding.bytes(rows, columns) + constant);
    var source = new MapSource(tensors);
    assertThat(codec.shape("m.q", stored.encoding(), source)).containsExactly(rows, columns);
    var back = (Sparse) codec.decode("m.q", stored.encoding(), source);
    assertThat(back.encoding()).isEqualTo(encoding);
    assertThat(back.mask()).isEqualTo(weight.mask());
    assertThat(back.activations()).isEqualTo(weight.activations());
    assertThat(Float.valueOf(back.inputScale())).isEqualTo(Float.valueOf(weight.inputScale()));
    assertThat(bits(back)).isEqualTo(bits(weight));
    for (var tensor : codec.encode("m.q", back).entrySet()) {
      assertThat(bytes(tensor.getValue())).isEqualTo(bytes(tensors.get(tensor.getKey())));
    }
  }

  private static int[] bits(Sparse weight) {
    var values = weight.decode().values();
    var bits = new int[values.length];
    for (int i = 0; i < bits.length; i++) {
      bits[i] = Float.floatToRawIntBits(values[i]);
    }
    return bits;
  }

  private static byte[] bytes(Tensor tensor) {
    return tensor.data().toArray(ValueLayout.JAVA_BYTE);
  }

  /**
   * Every pattern by every kind of values; blocks may be whole groups, parts of one, or neither.
   */
  @ParameterizedTest
  @CsvSource({
    "unstructured, 7, 65",
    "unstructured, 1, 1",
    "unstructured, 3, 192",
    "2:4, 5, 96",
    "4:8, 3, 72",
    "1:4, 2, 64",
    "3:7, 4, 63",
    "63:64, 2, 128",
    "4x1, 12, 65",
    "1x4, 5, 100",
    "16x4, 32, 72",
    "1x16, 6, 144",
    "1x32, 3, 160",
    "2x8, 6, 24",
    "5x13, 10, 130"
  })
  void whatIsWrittenIsAsLongAsPromisedAndComesBack(String label, int rows, int columns) {
    var random = new Random(31 * rows + columns);
    var pattern = Pattern.parse(label);
    for (var type : List.of(DType.F32, DType.F16, DType.BF16)) {
      var dense = SparseLayers.dense(rows, columns, type, random);
      comesBack(SparseLayers.sparse(dense, pattern, random));
    }
    for (int bits = 2; bits <= 8; bits++) {
      for (int group : new int[] {IntegerScheme.CHANNEL, 16, 5}) {
        for (boolean symmetric : new boolean[] {true, false}) {
          // Those of inputs change what is said of codes, not how they are stored.
          var activations = symmetric ? Activations.NONE : Activations.INT8_TOKEN;
          var scheme = new IntegerScheme(bits, group, symmetric, activations);
          var scales = bits % 2 == 0 ? DType.BF16 : DType.F16;
          var codes = SparseLayers.codes(scheme, rows, columns, scales, random);
          comesBack(SparseLayers.sparse(codes, pattern, random));
        }
      }
    }
    var still = new Activations.PerTensor(new IntegerType(8));
    var scheme = new IntegerScheme(8, IntegerScheme.CHANNEL, true, still);
    comesBack(
        SparseLayers.sparse(
            SparseLayers.codes(scheme, rows, columns, DType.F32, random), pattern, random));
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void allOrNothingMayBeKept(boolean all) {
    var random = new Random(5);
    var words = new long[2];
    if (all) {
      java.util.Arrays.fill(words, (1L << 24) - 1);
    }
    for (var label : List.of("unstructured", "1x8", "2x4")) {
      var mask = new Mask(2, 24, words);
      var pattern = Pattern.parse(label);
      comesBack(Sparse.of(SparseLayers.dense(2, 24, DType.BF16, random), mask, pattern));
      var scheme = new IntegerScheme(3, 8, false, Activations.NONE);
      var codes = SparseLayers.codes(scheme, 2, 24, DType.F16, random);
      comesBack(Sparse.of(codes, mask, pattern));
    }
  }

  /** Only scales of what is kept are in the file: 3 of 4 groups are not. */
  @Test
  void groupsThatAreNotKeptHaveNoScale() {
    var scheme = new IntegerScheme(4, 16, false, Activations.NONE);
    var codes = SparseLayers.codes(scheme, 1, 64, DType.F16, new Random(3));
    var mask = new Mask(1, 64, new long[] {0xFFFFL << 32});
    var tensors = new LatheSparse().encode("m", Sparse.of(codes, mask, new Pattern.Blocks(1, 16)));
    assertThat(bytes(tensors.get("m.sparse_mask"))).containsExactly(4);
    assertThat(tensors.get("m.weight_scale").shape()).containsExactly(1);
    assertThat(tensors.get("m.weight_scale").toFloats()[0]).isEqualTo(codes.scales().toFloats()[2]);
    assertThat(bytes(tensors.get("m.weight_zero_point"))).containsExactly(codes.zeros()[2]);
    assertThat(tensors.get("m.sparse_values").shape()).containsExactly(8);
  }

  /** Codes by hand: 3 bits of -4, 3, 0, -1 and 2, with 4 added: 0, 7, 4, 3, 6. */
  @Test
  void codesFollowOneAnotherAcrossRows() {
    var bytes = new byte[2];
    Packing.packBytes(new byte[] {-4, 3, 0, -1, 2}, 3, bytes);
    assertThat(bytes).containsExactly((byte) 0b00_111_000, (byte) 0b0_110_011_1);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "sparse_values",
        "sparse_mask",
        "weight_shape",
        "weight_scale",
        "weight_zero_point",
        "input_scale"
      })
  void aTensorOfAnotherSizeOrNoneIsRefused(String name) {
    var still = new Activations.PerTensor(new IntegerType(8));
    var scheme = new IntegerScheme(8, 8, false, still);
    var random = new Random(2);
    var codes = SparseLayers.codes(scheme, 4, 24, DType.F16, random);
    for (var label : List.of("unstructured", "1x8", "2:4", "4x1")) {
      var weight = SparseLayers.sparse(codes, Pattern.parse(label), random);
      var codec = new LatheSparse();
      var tensors = new LinkedHashMap<>(codec.encode("m", weight));
      assertThat(tensors).containsKey("m." + name);
      for (var other :
          List.of(
              Tensor.ofFloats(new float[7], 7, 1),
              new Tensor(DType.U8, new long[] {5}, MemorySegment.ofArray(new byte[5])),
              new Tensor(DType.I64, new long[0], MemorySegment.ofArray(new byte[8])))) {
        tensors.put("m." + name, other);
        assertThatThrownBy(() -> codec.decode("m", weight.encoding(), new MapSource(tensors)))
            .isInstanceOf(FormatException.class)
            .hasMessageContaining("m." + name);
      }
      tensors.remove("m." + name);
      assertThatThrownBy(() -> codec.decode("m", weight.encoding(), new MapSource(tensors)))
          .isInstanceOf(FormatException.class)
          .hasMessageContaining("m." + name);
    }
  }
}

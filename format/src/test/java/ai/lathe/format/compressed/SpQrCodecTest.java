package ai.lathe.format.compressed;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.format.FormatException;
import ai.lathe.format.JsonFields;
import ai.lathe.format.MapSource;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.compressed.QuantizationConfig.ActivationOrder;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.BilevelQuantized;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.SparseRows;
import ai.lathe.tensor.Sum;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SpQrCodecTest {

  private static final SpQrCodec CODEC = new SpQrCodec();

  static BilevelQuantized dense(Encoding.Bilevel encoding, int rows, int columns, Random random) {
    int groups = encoding.groups(columns);
    var second = new float[4 * groups * encoding.tiles(rows)];
    for (int i = 0; i < second.length; i++) {
      second[i] = random.nextFloat();
    }
    var order = new int[columns];
    for (int i = 0; i < columns; i++) {
      int j = random.nextInt(i + 1);
      order[i] = order[j];
      order[j] = i;
    }
    return new BilevelQuantized(
        encoding,
        rows,
        columns,
        codes(encoding.bits(), rows * columns, random),
        codes(encoding.scaleBits(), rows * groups, random),
        codes(encoding.zeroBits(), rows * groups, random),
        Tensor.ofFloats(second, 4, groups, encoding.tiles(rows)).to(DType.F16, Arena.ofAuto()),
        encoding.permuted() ? order : null);
  }

  private static byte[] codes(int bits, int count, Random random) {
    var codes = new byte[count];
    for (int i = 0; i < count; i++) {
      codes[i] = (byte) random.nextInt(1 << bits);
    }
    return codes;
  }

  static SparseRows outliers(double share, int rows, int columns, Random random) {
    var encoding = new Encoding.SparseRows(share, DType.F16);
    int capacity = encoding.capacity(rows, columns);
    var ids = new char[capacity];
    var values = new float[capacity];
    var offsets = new int[rows + 1];
    int used = 0;
    for (int row = 0; row < rows; row++) {
      for (int j = 0; j < columns && used < capacity; j++) {
        if (random.nextDouble() < share) {
          ids[used] = (char) j;
          values[used++] = (float) random.nextGaussian();
        }
      }
      offsets[row + 1] = used;
    }
    var stored = Tensor.ofFloats(values, capacity).to(DType.F16, Arena.ofAuto());
    return new SparseRows(encoding, rows, columns, offsets, ids, stored);
  }

  @Property(tries = 500)
  void everyWeightComesBackExactly(
      @ForAll @IntRange(min = 2, max = 8) int bits,
      @ForAll @IntRange(min = 1, max = 8) int scaleBits,
      @ForAll @IntRange(min = 1, max = 8) int zeroBits,
      @ForAll @IntRange(min = 1, max = 20) int tall,
      @ForAll @IntRange(min = 1, max = 40) int rows,
      @ForAll @IntRange(min = 1, max = 6) int groups,
      @ForAll @IntRange(min = 1, max = 20) int groupSize,
      @ForAll boolean permuted,
      @ForAll boolean sparse,
      @ForAll Random random) {
    int columns = groups * groupSize;
    var encoding = new Encoding.Bilevel(bits, groupSize, scaleBits, zeroBits, tall, permuted);
    var dense = dense(encoding, rows, columns, random);
    LinearWeight weight =
        sparse ? new Sum(List.of(dense, outliers(0.1, rows, columns, random))) : dense;
    assertThat(CompressedTensors.codec(weight.encoding())).isInstanceOf(SpQrCodec.class);
    var tensors = CODEC.encode("m.q", weight);
    assertThat(CODEC.layout("m.q", weight.encoding(), rows, columns))
        .containsExactlyElementsOf(
            tensors.entrySet().stream()
                .map(e -> new TensorInfo(e.getKey(), e.getValue().dtype(), e.getValue().shape()))
                .toList());
    assertThat(tensors.keySet()).allMatch(n -> CODEC.suffixes().contains(n.substring(3)));
    assertThat(CODEC.bytes(weight.encoding(), rows, columns))
        .isEqualTo(weight.encoding().bytes(rows, columns) + 16);

    var json = CODEC.weights(weight.encoding(), ActivationOrder.NONE);
    var read = CODEC.encoding(new JsonFields(json, "config"), Activations.NONE);
    assertThat(read).isEqualTo(weight.encoding());
    var back = CODEC.decode("m.q", read, new MapSource(tensors));
    assertThat(CODEC.shape("m.q", weight.encoding(), new MapSource(tensors)))
        .containsExactly(rows, columns);
    assertThat(back.decode().values()).isEqualTo(weight.decode().values());
    assertThat(CODEC.encode("m.q", back))
        .allSatisfy((name, tensor) -> assertThat(same(tensor, tensors.get(name))).isTrue());
  }

  private static boolean same(Tensor a, Tensor b) {
    return a.data().mismatch(b.data()) == -1;
  }

  private static final Encoding.Bilevel W3 = new Encoding.Bilevel(3, 16, 3, 3, 16, true);

  /** A valid 20 x 32 layer. */
  private static LinkedHashMap<String, Tensor> layer() {
    var random = new Random(5);
    var weight = new Sum(List.of(dense(W3, 20, 32, random), outliers(0.1, 20, 32, random)));
    return new LinkedHashMap<>(CODEC.encode("m", weight));
  }

  private static final Encoding ENCODING =
      new Encoding.Sum(List.of(W3, new Encoding.SparseRows(0.1, DType.F16)));

  private static void assertRefused(LinkedHashMap<String, Tensor> tensors, String message) {
    assertThatThrownBy(() -> CODEC.decode("m", ENCODING, new MapSource(tensors)))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining(message);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "dense_weights",
        "quant_layer_scale",
        "quant_layer_zeros",
        "quant_layer_zero_qq_zero",
        "in_perm",
        "row_offsets",
        "col_vals"
      })
  void aTensorOfAnotherSizeOrTypeIsRefused(String name) {
    var tensors = layer();
    assertRefused(with(tensors, name, Tensor.ofFloats(new float[7], 7)), "m." + name);
    var missing = layer();
    missing.remove("m." + name);
    assertRefused(missing, name);
  }

  private static LinkedHashMap<String, Tensor> with(
      LinkedHashMap<String, Tensor> tensors, String name, Tensor replacement) {
    tensors.put("m." + name, replacement);
    return tensors;
  }

  @ParameterizedTest
  @CsvSource({"0, 1, begin at pair 0", "3, 1000000, row", "3, -5, row", "20, 65, row"})
  void rowsThatLeaveThePairsAreRefused(int at, int value, String message) {
    var tensors = layer();
    tensors.get("m.row_offsets").data().set(Layer.INT, 4L * at, value);
    assertRefused(tensors, message);
  }

  @Test
  void columnsBeyondTheRowOrOutOfOrderAreRefused() {
    var beyond = layer();
    beyond.get("m.col_vals").data().set(Layer.INT, 0, 32);
    assertRefused(beyond, "column 32 of 32");
    var twice = layer();
    var offsets = twice.get("m.row_offsets");
    int row =
        IntStream.range(0, 20)
            .filter(i -> offsets.getLong(i + 1) - offsets.getLong(i) > 1)
            .findFirst()
            .orElseThrow();
    var pairs = twice.get("m.col_vals").data();
    long at = 4 * offsets.getLong(row);
    pairs.set(Layer.INT, at + 4, pairs.get(Layer.INT, at));
    assertRefused(twice, "out of place");
  }

  @Test
  void anOrderThatNamesAnInputTwiceIsRefused() {
    var tensors = layer();
    var order = tensors.get("m.in_perm").data();
    order.set(Layer.SHORT, 0, order.get(Layer.SHORT, 2));
    assertRefused(tensors, "out of place");
    order.set(Layer.SHORT, 0, (short) 60000);
    assertRefused(tensors, "60000 is out of place");
  }

  @ParameterizedTest
  @CsvSource({"-1, 32", "20, 33", "2147483647, 2147483647", "0, 0", "20, 131072"})
  void shapesThatCannotBeAreRefused(long rows, long columns) {
    var shape = MemorySegment.ofArray(new long[] {rows, columns});
    assertThatThrownBy(
            () ->
                CODEC.decode(
                    "m",
                    ENCODING,
                    new MapSource(
                        with(
                            layer(),
                            "weight_shape",
                            new Tensor(DType.I64, new long[] {2}, shape)))))
        .isInstanceOf(FormatException.class);
  }

  @ParameterizedTest
  @CsvSource({
    "num_bits, 9",
    "num_bits, 1",
    "group_size, 0",
    "group_size, -16",
    "qq_scale_bits, 0",
    "qq_zero_bits, 20",
    "qq_groupsize, 0",
    "outlier_share, 2",
    "outlier_share, -0.5"
  })
  void settingsThatCannotBeAreRefused(String field, double value) {
    var weights = CODEC.weights(ENCODING, ActivationOrder.NONE);
    if (field.equals("outlier_share")) {
      weights.put(field, value);
    } else {
      weights.put(field, (int) value);
    }
    assertThatThrownBy(
            () -> CODEC.encoding(new JsonFields(weights, "config.json"), Activations.NONE))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("config.json");
  }

  /** Random damage is either refused in one line or decodes to some weight. */
  @Property(tries = 300)
  void damageIsRefusedOrDecoded(@ForAll Random random) {
    var tensors = layer();
    var names = List.copyOf(tensors.keySet());
    var data = tensors.get(names.get(random.nextInt(names.size()))).data();
    for (int i = 0; i < 3; i++) {
      data.set(ValueLayout.JAVA_BYTE, random.nextLong(data.byteSize()), (byte) random.nextInt());
    }
    try {
      var weight = CODEC.decode("m", ENCODING, new MapSource(tensors));
      assertThat(weight.decode().values()).hasSize(20 * 32);
    } catch (FormatException e) {
      assertThat(e.getMessage()).isNotBlank().doesNotContain("\n");
    }
  }
}

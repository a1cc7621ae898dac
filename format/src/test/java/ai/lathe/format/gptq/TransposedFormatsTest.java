package ai.lathe.format.gptq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.format.FormatException;
import ai.lathe.format.HostileInput;
import ai.lathe.format.Json;
import ai.lathe.format.MapSource;
import ai.lathe.format.Quantization;
import ai.lathe.format.QuantizationFormat;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.awq.AwqFormat;
import ai.lathe.format.quantized.Quantizations;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

/** GPTQ's and AWQ's checkpoints: layers come back, configurations too, damage is refused. */
class TransposedFormatsTest {

  private static GroupQuantized random(
      int bits, int group, boolean symmetric, int rows, int columns, int[] index, Random random) {
    var scheme = new IntegerScheme(bits, group, symmetric, Activations.NONE);
    int groups = scheme.groups(columns);
    var scales = new float[rows * groups];
    for (int i = 0; i < scales.length; i++) {
      scales[i] = 0.01f + random.nextFloat();
    }
    byte[] zeros = symmetric ? null : codes(scheme, rows * groups, random);
    if (zeros != null) {
      // All zero points in the middle would be a symmetric layer.
      zeros[0] = 1;
    }
    return new GroupQuantized(
        scheme,
        rows,
        columns,
        codes(scheme, rows * columns, random),
        Tensor.ofFloats(scales, rows, groups).to(DType.F16, Arena.ofAuto()),
        zeros,
        index);
  }

  private static byte[] codes(IntegerScheme scheme, int count, Random random) {
    var codes = new byte[count];
    for (int i = 0; i < count; i++) {
      codes[i] = (byte) random.nextInt(scheme.min(), scheme.max() + 1);
    }
    return codes;
  }

  private static int[] shuffled(int columns, int group, Random random) {
    var order = new ArrayList<Integer>();
    for (int j = 0; j < columns; j++) {
      order.add(j / group);
    }
    java.util.Collections.shuffle(order, random);
    return order.stream().mapToInt(i -> i).toArray();
  }

  private static void assertComesBack(QuantizationFormat format, GroupQuantized weight) {
    var modules = new LinkedHashMap<String, Encoding>();
    modules.put("model.layers.0.q", weight.encoding());
    modules.put("lm_head", new Encoding.Plain(DType.F16));
    var config = Json.object();
    config.set(Quantization.FIELD, format.describe(modules, false).toJson());
    var read = Quantizations.of(Json.parse(Json.print(config), "config"), "config").orElseThrow();
    assertThat(read.module("lm_head", "Linear")).isEmpty();
    var stored = read.module("model.layers.0.q", "Linear").orElseThrow();

    var tensors = format.codec(weight.encoding()).encode("m", weight);
    var layout =
        format
            .codec(weight.encoding())
            .layout("m", weight.encoding(), weight.rows(), weight.columns());
    assertThat(layout)
        .isEqualTo(
            tensors.entrySet().stream()
                .map(t -> new TensorInfo(t.getKey(), t.getValue().dtype(), t.getValue().shape()))
                .toList());
    var source = new MapSource(tensors);
    assertThat(stored.codec().shape("m", stored.encoding(), source))
        .containsExactly(weight.rows(), weight.columns());
    var back = (GroupQuantized) stored.codec().decode("m", stored.encoding(), source);
    assertThat(back.encoding()).isEqualTo(weight.encoding());
    assertThat(back.codes()).isEqualTo(weight.codes());
    assertThat(back.zeros()).isEqualTo(weight.zeros());
    assertThat(back.decode().values()).isEqualTo(weight.decode().values());
  }

  @Property(tries = 500)
  void everyLayerComesBackExactly(
      @ForAll @IntRange(min = 0, max = 3) int width,
      @ForAll @IntRange(min = 1, max = 3) int rows,
      @ForAll @IntRange(min = 1, max = 3) int columns,
      @ForAll boolean symmetric,
      @ForAll boolean regrouped,
      @ForAll boolean lessOne,
      @ForAll Random random) {
    int group = random.nextBoolean() ? 16 : IntegerScheme.CHANNEL;
    var index = regrouped && group > 0 ? shuffled(32 * columns, group, random) : null;
    int bits = GptqCodec.WIDTHS.get(width);
    var weight = random(bits, group, symmetric, 32 * rows, 32 * columns, index, random);
    assertComesBack(new GptqFormat(lessOne), weight);
    assertComesBack(
        new AwqFormat(), random(4, group, symmetric, 8 * rows, 32 * columns, null, random));
  }

  @Test
  void layersOfOtherWidthsAreExceptionsByName() {
    var modules = new LinkedHashMap<String, Encoding>();
    var four = new Encoding.Grouped(new IntegerScheme(4, 32, true, Activations.NONE), DType.F16);
    var eight = new Encoding.Grouped(new IntegerScheme(8, 64, true, Activations.NONE), DType.F16);
    modules.put("model.layers.1.mlp.up_proj", four);
    modules.put("model.layers.11.mlp.up_proj", four);
    modules.put("model.layers.1.mlp.down_proj", eight);
    modules.put("model.layers.2.mlp.down_proj", new Encoding.Plain(DType.F16));
    var config = Json.object();
    config.set(Quantization.FIELD, new GptqFormat(true).describe(modules, false).toJson());
    var read = Quantizations.of(config, "config").orElseThrow();
    assertThat(read).isInstanceOf(GptqConfig.class);
    modules.forEach(
        (name, encoding) ->
            assertThat(read.module(name, "Linear").map(Quantization.Stored::encoding))
                .as(name)
                .isEqualTo(
                    encoding instanceof Encoding.Plain
                        ? java.util.Optional.empty()
                        : java.util.Optional.of(encoding)));
  }

  @Test
  void aSchemeThatTheFormatCannotHoldNamesThoseThatCan() {
    var three = new Encoding.Grouped(new IntegerScheme(3, 32, true, Activations.NONE), DType.F16);
    assertThatThrownBy(() -> Quantizations.require(new AwqFormat(), three))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("4 bits")
        .hasMessageContaining("formats that can: compressed-tensors, gptq, gptq_v2");
    var five = new Encoding.Grouped(new IntegerScheme(5, 32, true, Activations.NONE), DType.F16);
    assertThatThrownBy(() -> Quantizations.require(new GptqFormat(true), five))
        .hasMessageContaining("formats that can: compressed-tensors");
    assertThat(new GptqFormat(true).refusal(three, 64, 172)).isPresent();
    assertThat(new GptqFormat(true).refusal(three, 64, 192)).isEmpty();
  }

  @Test
  void configurationsThatCannotBeReadSayWhy() {
    assertRefused("gptq", "\"bits\": 5", "bits 5 is not supported");
    assertRefused("gptq", "\"bits\": 4, \"checkpoint_format\": \"marlin\"", "gptq_v2");
    assertRefused("gptq", "\"bits\": 4, \"pack_dtype\": \"int64\"", "int32");
    assertRefused("gptq", "\"bits\": 4, \"dynamic\": {\"+:(\": {}}", "no regular expression");
    assertRefused("gptq", "\"group_size\": 32", "'bits'");
    assertRefused("awq", "\"bits\": 4, \"version\": \"gemv\"", "gemm");
    assertRefused("awq", "\"bits\": 8", "supported: 4");
    assertRefused("hqq", "\"bits\": 8", "compressed-tensors, lathe, gptq, awq");
  }

  private static void assertRefused(String method, String fields, String message) {
    var text =
        "{\"quantization_config\": {\"quant_method\": \"%s\", %s}}".formatted(method, fields);
    assertThatThrownBy(() -> Quantizations.of(Json.parse(text.getBytes(), "c.json"), "c.json"))
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith("c.json")
        .hasMessageContaining(message);
  }

  @Property(tries = 20_000)
  void damagedLayersAreRefusedOrReadable(
      @ForAll boolean awq, @ForAll boolean symmetric, @ForAll Random random) {
    var format = awq ? new AwqFormat() : new GptqFormat(true);
    var weight = random(4, 16, symmetric, 32, 64, null, random);
    var codec = format.codec(weight.encoding());
    var tensors = new LinkedHashMap<>(codec.encode("m", weight));
    var names = List.copyOf(tensors.keySet());
    for (int i = random.nextInt(3); i >= 0; i--) {
      var name = names.get(random.nextInt(names.size()));
      tensors.put(name, damaged(tensors.get(name), random));
    }
    HostileInput.assertTame(
        new byte[0],
        none -> {
          codec.shape("m", weight.encoding(), new MapSource(tensors));
          codec.decode("m", weight.encoding(), new MapSource(tensors)).decode();
        });
  }

  private static Tensor damaged(Tensor tensor, Random random) {
    var types = List.of(tensor.dtype(), DType.I8, DType.I32, DType.I64, DType.F16, DType.F32);
    var dtype = types.get(random.nextInt(types.size()));
    var shape = random.nextInt(4) == 0 ? new long[random.nextInt(4)] : tensor.shape().clone();
    for (int i = 0; i < shape.length; i++) {
      shape[i] = Math.max(0, shape[i] + 2 * random.nextInt(-2, 3));
    }
    var data = new byte[(int) dtype.bytes(Tensor.elements(shape))];
    random.nextBytes(data);
    return new Tensor(dtype, shape, MemorySegment.ofArray(data));
  }
}

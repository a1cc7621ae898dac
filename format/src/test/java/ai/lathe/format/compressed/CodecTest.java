package ai.lathe.format.compressed;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.format.FormatException;
import ai.lathe.format.HostileInput;
import ai.lathe.format.MapSource;
import ai.lathe.format.TensorInfo;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.FloatQuantized;
import ai.lathe.tensor.FloatScheme;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.ScaleTile;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class CodecTest {

  private static GroupQuantized random(
      IntegerScheme scheme, int rows, int columns, boolean groupIndex, Random random) {
    int groups = scheme.groups(columns);
    var scales = new float[rows * groups];
    for (int i = 0; i < scales.length; i++) {
      scales[i] = random.nextFloat();
    }
    var index = new int[columns];
    for (int i = 0; i < columns; i++) {
      index[i] = random.nextInt(groups);
    }
    return new GroupQuantized(
        scheme,
        rows,
        columns,
        codes(scheme, rows * columns, random),
        Tensor.ofFloats(scales, rows, groups).to(DType.F16, Arena.ofAuto()),
        scheme.symmetric() ? null : codes(scheme, rows * groups, random),
        groupIndex ? index : null);
  }

  private static byte[] codes(IntegerScheme scheme, int count, Random random) {
    var codes = new byte[count];
    for (int i = 0; i < count; i++) {
      codes[i] = (byte) random.nextInt(scheme.min(), scheme.max() + 1);
    }
    return codes;
  }

  @Property(tries = 2000)
  void everyWeightComesBackExactly(
      @ForAll @IntRange(min = 2, max = 8) int bits,
      @ForAll @IntRange(min = 1, max = 70) int rows,
      @ForAll @IntRange(min = 1, max = 200) int columns,
      @ForAll @IntRange(min = 0, max = 40) int groupSize,
      @ForAll boolean symmetric,
      @ForAll boolean groupIndex,
      @ForAll boolean packed,
      @ForAll Random random) {
    var activations = packed ? Activations.NONE : Activations.INT8_TOKEN;
    var scheme = new IntegerScheme(bits, groupSize, symmetric, activations);
    var weight = random(scheme, rows, columns, groupIndex, random);
    var codec = CompressedTensors.codec(weight.encoding());
    var tensors = codec.encode("m.q", weight);
    var infos = new LinkedHashMap<String, TensorInfo>();
    tensors.forEach(
        (name, tensor) -> infos.put(name, new TensorInfo(name, tensor.dtype(), tensor.shape())));
    assertThat(codec.layout("m.q", weight.encoding(), rows, columns))
        .containsExactlyElementsOf(infos.values());
    assertThat(codec.bytes(weight.encoding(), rows, columns))
        .isEqualTo(
            weight.encoding().bytes(rows, columns) + (codec instanceof PackQuantized ? 16 : 0));

    var back = (GroupQuantized) codec.decode("m.q", weight.encoding(), new MapSource(tensors));
    assertThat(back.scheme()).isEqualTo(scheme);
    assertThat(back.codes()).isEqualTo(weight.codes());
    assertThat(back.zeros()).isEqualTo(weight.zeros());
    assertThat(back.groupIndex()).isEqualTo(weight.groupIndex());
    assertThat(back.decode().values()).isEqualTo(weight.decode().values());
  }

  @Test
  void plainWeightsAreTheirTensor() {
    var weight = new Dense(Tensor.ofFloats(new float[] {1, 2, 3, 4, 5, 6}, 2, 3));
    var codec = CompressedTensors.codec(weight.encoding());
    var tensors = codec.encode("m", weight);
    assertThat(tensors).containsOnlyKeys("m.weight");
    var back = codec.decode("m", weight.encoding(), new MapSource(tensors));
    assertThat(back.decode().values()).containsExactly(1, 2, 3, 4, 5, 6);
  }

  private static final IntegerScheme W4 = new IntegerScheme(4, 8, false, Activations.NONE);

  /** A valid 10 x 16 layer of 4 bits in groups of 8, with one tensor replaced. */
  private static MapSource layer(String name, Tensor replacement) {
    var weight = random(W4, 10, 16, false, new Random(3));
    var tensors = new LinkedHashMap<>(new PackQuantized().encode("m", weight));
    tensors.put("m." + name, replacement);
    return new MapSource(tensors);
  }

  private static Tensor integers(DType dtype, long[] shape, long... values) {
    var data = MemorySegment.ofArray(new byte[(int) dtype.bytes(Tensor.elements(shape))]);
    for (int i = 0; i < values.length; i++) {
      if (dtype == DType.I64) {
        data.set(ValueLayout.JAVA_LONG_UNALIGNED, i * 8L, values[i]);
      } else {
        data.set(ValueLayout.JAVA_INT_UNALIGNED, i * 4L, (int) values[i]);
      }
    }
    return new Tensor(dtype, shape, data);
  }

  private static void assertRefused(String tensor, Tensor replacement, String message) {
    var source = layer(tensor, replacement);
    var encoding = new Encoding.Grouped(W4, DType.F16);
    assertThatThrownBy(() -> new PackQuantized().decode("m", encoding, source))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("'m." + tensor + "'")
        .hasMessageContaining(message);
  }

  @Test
  void tensorsThatContradictEachOtherAreRefused() {
    long[] two = {2};
    assertRefused("weight_shape", integers(DType.I64, two, -1, 16), "from 1 to 2^31 - 1 values");
    assertRefused("weight_shape", integers(DType.I64, two, 1L << 40, 1L << 40), "from 1 to");
    assertRefused("weight_shape", integers(DType.I64, two, 0, 0), "from 1 to");
    assertRefused("weight_shape", integers(DType.I64, new long[] {3}, 1, 2, 3), "two integers");
    assertRefused("weight_packed", integers(DType.I32, new long[] {10, 1}), "10 x 16 weight of 4");
    assertRefused("weight_packed", integers(DType.I32, new long[] {20}), "a matrix of I32");
    assertRefused("weight_packed", integers(DType.I64, new long[] {10, 2}), "a matrix of I32");
    assertRefused("weight_scale", Tensor.ofFloats(new float[10], 10, 1), "10 rows and 2 groups");
    assertRefused("weight_scale", integers(DType.I32, new long[] {10, 2}), "one float for each");
    assertRefused("weight_zero_point", integers(DType.I32, new long[] {1, 2}), "zero points of 10");
    assertRefused("weight_g_idx", integers(DType.I32, new long[] {2}, 0, 1), "each of 16 inputs");
    assertRefused("weight_g_idx", integers(DType.I32, new long[] {16}, 0, 7), "names group 7 of 2");
  }

  @Test
  void aGroupIndexThatWasNeverFilledIsNone() {
    var source = layer("weight_g_idx", integers(DType.I32, new long[] {16}, -1));
    var weight = new PackQuantized().decode("m", new Encoding.Grouped(W4, DType.F16), source);
    assertThat(weight.groupIndex()).isNull();
  }

  @Test
  void zeroPointsOfOneByteAreRead() {
    var zeros = new byte[20];
    for (int i = 0; i < 20; i++) {
      zeros[i] = (byte) (i % 16 - 8);
    }
    var stored = new Tensor(DType.I8, new long[] {10, 2}, MemorySegment.ofArray(zeros));
    var source = layer("weight_zero_point", stored);
    var weight = new PackQuantized().decode("m", new Encoding.Grouped(W4, DType.F16), source);
    assertThat(weight.zeros()).isEqualTo(zeros);
  }

  @Test
  void bytesOutsideTheSchemeAreRefused() {
    var scheme = new IntegerScheme(4, 0, true, Activations.INT8_TOKEN);
    var tensors = new LinkedHashMap<String, Tensor>();
    tensors.put(
        "m.weight",
        new Tensor(DType.I8, new long[] {1, 2}, MemorySegment.ofArray(new byte[] {7, 8})));
    tensors.put("m.weight_scale", Tensor.ofFloats(new float[] {1}, 1));
    var encoding = new Encoding.Grouped(scheme, DType.F32);
    assertThatThrownBy(() -> new IntQuantized().decode("m", encoding, new MapSource(tensors)))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("'m.weight' holds 8, outside of int4 channel");
  }

  @Test
  void aMissingTensorIsNamed() {
    var encoding = new Encoding.Grouped(W4, DType.F16);
    var none = new MapSource(new LinkedHashMap<>());
    assertThatThrownBy(() -> new PackQuantized().decode("m", encoding, none))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("m.weight_packed");
  }

  @Test
  void anEncodingThatNoFormatStoresIsRefused() {
    assertThatThrownBy(() -> CompressedTensors.codec(new Encoding.Plain(DType.I32)))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("dense, pack-quantized, int-quantized");
  }

  @Property(tries = 20_000)
  void tensorsOfAnyTypeAndShapeAreRefusedOrReadable(
      @ForAll @IntRange(min = 2, max = 8) int bits,
      @ForAll boolean symmetric,
      @ForAll boolean packed,
      @ForAll Random random) {
    var activations = packed ? Activations.NONE : Activations.INT8_TOKEN;
    var scheme = new IntegerScheme(bits, random.nextInt(3) * 8, symmetric, activations);
    var weight = random(scheme, 10, 16, random.nextBoolean(), random);
    var codec = CompressedTensors.codec(weight.encoding());
    var tensors = new LinkedHashMap<>(codec.encode("m", weight));
    var names = List.copyOf(tensors.keySet());
    for (int i = random.nextInt(3); i >= 0; i--) {
      var name = names.get(random.nextInt(names.size()));
      tensors.put(name, damaged(tensors.get(name), random));
    }
    HostileInput.assertTame(
        new byte[0], none -> codec.decode("m", weight.encoding(), new MapSource(tensors)).decode());
  }

  static FloatQuantized random(FloatScheme scheme, int rows, int columns, Random random) {
    var codes = new byte[rows * columns];
    for (int i = 0; i < codes.length; i++) {
      codes[i] = scheme.type().encode((float) random.nextGaussian());
    }
    var tile = scheme.tile();
    long[] shape = {tile.down(rows), tile.across(columns)};
    var bytes = new byte[(int) Tensor.elements(shape)];
    random.nextBytes(bytes);
    var floats = new float[bytes.length];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] &= 0x3F;
      floats[i] = random.nextFloat();
    }
    var plain = MemorySegment.ofArray(bytes);
    return new FloatQuantized(
        scheme,
        rows,
        columns,
        codes,
        switch (scheme.scale()) {
          case FLOAT -> Tensor.ofFloats(floats, shape).to(DType.BF16, Arena.ofAuto());
          case E8M0 -> new Tensor(DType.F8_E8M0, shape, plain);
          case E4M3_GLOBAL -> new Tensor(DType.F8_E4M3, shape, plain);
        },
        scheme.global() ? 0.5f + random.nextFloat() : 1,
        scheme.activations().calibrated() ? 0.5f + random.nextFloat() : Float.NaN);
  }

  private static FloatScheme anyFloats(Random random) {
    return switch (random.nextInt(6)) {
      case 0 -> FloatScheme.fp8(ScaleTile.TENSOR, Activations.FP8_TENSOR);
      case 1 -> FloatScheme.fp8(ScaleTile.CHANNEL, Activations.NONE);
      case 2 -> FloatScheme.fp8(new ScaleTile(8, 24), Activations.FP8_TOKEN);
      case 3 -> FloatScheme.mxfp8(Activations.MXFP8);
      case 4 -> FloatScheme.mxfp4(Activations.NONE);
      default -> FloatScheme.nvfp4(Activations.NVFP4);
    };
  }

  @Property(tries = 1000)
  void everyFloatWeightComesBackExactly(
      @ForAll @IntRange(min = 1, max = 40) int rows,
      @ForAll @IntRange(min = 1, max = 5) int groups,
      @ForAll Random random) {
    var weight = random(anyFloats(random), rows, groups * 32, random);
    var codec = CompressedTensors.codec(weight.encoding());
    var tensors = codec.encode("m.q", weight);
    var back = (FloatQuantized) codec.decode("m.q", weight.encoding(), new MapSource(tensors));
    assertThat(back.encoding()).isEqualTo(weight.encoding());
    assertThat(back.codes()).isEqualTo(weight.codes());
    assertThat(back.decode().values()).isEqualTo(weight.decode().values());
    assertThat(back.globalScale()).isEqualTo(weight.globalScale());
    assertThat((Float) back.inputScale()).isEqualTo((Float) weight.inputScale());
    assertThat(codec.bytes(weight.encoding(), rows, groups * 32))
        .isEqualTo(weight.encoding().bytes(rows, groups * 32));
  }

  @Property(tries = 10_000)
  void floatTensorsOfAnyTypeAndShapeAreRefusedOrReadable(@ForAll Random random) {
    var weight = random(anyFloats(random), 10, 64, random);
    var codec = CompressedTensors.codec(weight.encoding());
    var tensors = new LinkedHashMap<>(codec.encode("m", weight));
    var names = List.copyOf(tensors.keySet());
    for (int i = random.nextInt(3); i >= 0; i--) {
      var name = names.get(random.nextInt(names.size()));
      tensors.put(name, damaged(tensors.get(name), random));
    }
    HostileInput.assertTame(
        new byte[0], none -> codec.decode("m", weight.encoding(), new MapSource(tensors)).decode());
  }

  @Test
  void scalesThatAreNoPositiveNumbersAreRefused() {
    var weight = random(FloatScheme.nvfp4(Activations.NVFP4), 4, 32, new Random(2));
    for (var name : List.of("weight_global_scale", "input_global_scale")) {
      for (float wrong : new float[] {0, -1, Float.NaN, Float.POSITIVE_INFINITY}) {
        var tensors = new LinkedHashMap<>(FloatCodec.NVFP4.encode("m", weight));
        tensors.put("m." + name, Tensor.ofFloats(new float[] {wrong}, 1));
        var source = new MapSource(tensors);
        assertThatThrownBy(() -> FloatCodec.NVFP4.decode("m", weight.encoding(), source))
            .isInstanceOf(FormatException.class)
            .hasMessageContaining("'m." + name + "' should be a positive number, not " + wrong);
      }
    }
  }

  static Tensor damaged(Tensor tensor, Random random) {
    var types = List.of(tensor.dtype(), DType.I8, DType.I32, DType.I64, DType.F16, DType.F4);
    var dtype = types.get(random.nextInt(types.size()));
    var shape = random.nextInt(4) == 0 ? new long[random.nextInt(4)] : tensor.shape();
    for (int i = 0; i < shape.length; i++) {
      shape[i] = Math.max(0, shape[i] + 2 * random.nextInt(-2, 3));
    }
    var data = new byte[(int) dtype.bytes(Tensor.elements(shape))];
    for (int i = 0; i < data.length; i++) {
      data[i] = (byte) (random.nextInt(3) == 0 ? random.nextInt(-128, 128) : random.nextInt(2) * 8);
    }
    return new Tensor(dtype, shape, MemorySegment.ofArray(data));
  }
}

package ai.lathe.format.compressed;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.format.Json;
import ai.lathe.format.Quantization;
import ai.lathe.format.Quantization.Stored;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.quantized.Quantizations;
import ai.lathe.format.safetensors.Safetensors;
import ai.lathe.format.safetensors.SafetensorsPlan;
import ai.lathe.format.safetensors.SafetensorsWriter;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.FloatQuantized;
import ai.lathe.tensor.FloatScheme;
import ai.lathe.tensor.FloatType;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.GroupScale;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Rotated;
import ai.lathe.tensor.ScaleTile;
import ai.lathe.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * A directory of compressed layers, written and read back through its configuration. It stays in
 * {@code target/compressed-tensors}, where {@code tools/check_compressed_tensors.py} reads it with
 * the Python package and compares.
 */
class WrittenModelTest {

  private static final int ROWS = 24;
  private static final int COLUMNS = 192;

  private static IntegerScheme scheme(int bits, int group, boolean symmetric) {
    return new IntegerScheme(bits, group, symmetric, Activations.NONE);
  }

  private static List<IntegerScheme> schemes() {
    var schemes = new ArrayList<IntegerScheme>();
    for (int bits = 2; bits <= 8; bits++) {
      for (int group : new int[] {IntegerScheme.CHANNEL, 64}) {
        schemes.add(scheme(bits, group, true));
        schemes.add(scheme(bits, group, false));
      }
    }
    schemes.add(new IntegerScheme(8, 0, true, Activations.INT8_TOKEN));
    schemes.add(new IntegerScheme(8, 0, false, Activations.INT8_TOKEN));
    return schemes;
  }

  private static Map<String, LinearWeight> layers() {
    var random = new Random(11);
    var layers = new LinkedHashMap<String, LinearWeight>();
    for (var scheme : schemes()) {
      int groups = scheme.groups(COLUMNS);
      var scales = new float[ROWS * groups];
      for (int i = 0; i < scales.length; i++) {
        scales[i] = 0.01f + random.nextFloat();
      }
      var type = scheme.bits() % 2 == 0 ? DType.BF16 : DType.F16;
      layers.put(
          "model.layers." + layers.size() + ".proj",
          new GroupQuantized(
              scheme,
              ROWS,
              COLUMNS,
              codes(scheme, ROWS * COLUMNS, random),
              Tensor.ofFloats(scales, ROWS, groups).to(type, Arena.ofAuto()),
              scheme.symmetric() ? null : codes(scheme, ROWS * groups, random)));
    }
    for (var scheme : floats()) {
      layers.put("model.layers." + layers.size() + ".proj", floats(scheme, random));
    }
    layers.put(
        "model.layers." + layers.size() + ".proj",
        new Rotated(64, floats(FloatScheme.nvfp4(Activations.NVFP4), random)));
    layers.put("lm_head", new Dense(Tensor.ofFloats(new float[] {1, 2, 3, 4}, 2, 2)));
    return layers;
  }

  private static List<FloatScheme> floats() {
    return List.of(
        FloatScheme.fp8(ScaleTile.TENSOR, Activations.FP8_TENSOR),
        FloatScheme.fp8(ScaleTile.CHANNEL, Activations.FP8_TOKEN),
        FloatScheme.fp8(ScaleTile.CHANNEL, Activations.NONE),
        FloatScheme.fp8(
            new ScaleTile(16, 128),
            new Activations.PerGroup(FloatType.E4M3, 128, GroupScale.FLOAT)),
        FloatScheme.mxfp4(Activations.NONE),
        FloatScheme.mxfp4(Activations.MXFP4),
        FloatScheme.mxfp8(Activations.MXFP8),
        FloatScheme.nvfp4(Activations.NONE),
        FloatScheme.nvfp4(Activations.NVFP4));
  }

  private static FloatQuantized floats(FloatScheme scheme, Random random) {
    var codes = new byte[ROWS * COLUMNS];
    for (int i = 0; i < codes.length; i++) {
      codes[i] = scheme.type().encode((float) random.nextGaussian() * scheme.type().reach() / 3);
      if (scheme.type().decode(codes[i]) == 0) {
        // The package has no negative zero.
        codes[i] = 0;
      }
    }
    var tile = scheme.tile();
    var scales = new byte[tile.down(ROWS) * tile.across(COLUMNS)];
    random.nextBytes(scales);
    var numbers = new float[scales.length];
    for (int i = 0; i < scales.length; i++) {
      scales[i] = (byte) (scheme.global() ? 1 + (scales[i] & 63) : 118 + (scales[i] & 7));
      numbers[i] = 0.01f + random.nextFloat();
    }
    long[] shape = {tile.down(ROWS), tile.across(COLUMNS)};
    var bytes = MemorySegment.ofArray(scales);
    return new FloatQuantized(
        scheme,
        ROWS,
        COLUMNS,
        codes,
        switch (scheme.scale()) {
          case FLOAT -> Tensor.ofFloats(numbers, shape);
          case E8M0 -> new Tensor(DType.F8_E8M0, shape, bytes);
          case E4M3_GLOBAL -> new Tensor(DType.F8_E4M3, shape, bytes);
        },
        scheme.global() ? 1234.5f : 1,
        scheme.activations().calibrated() ? 0.75f : Float.NaN);
  }

  private static byte[] codes(IntegerScheme scheme, int count, Random random) {
    var codes = new byte[count];
    for (int i = 0; i < count; i++) {
      codes[i] = (byte) random.nextInt(scheme.min(), scheme.max() + 1);
    }
    return codes;
  }

  private static void write(Path directory, Map<String, Tensor> tensors) throws IOException {
    Files.createDirectories(directory);
    try (var old = Files.newDirectoryStream(directory, "*.{safetensors,json}")) {
      for (var file : old) {
        Files.delete(file);
      }
    }
    var infos = new ArrayList<TensorInfo>();
    tensors.forEach((n, tensor) -> infos.add(new TensorInfo(n, tensor.dtype(), tensor.shape())));
    var plan = SafetensorsPlan.sharded(infos, Map.of("format", "pt"), 1 << 15);
    try (var writer = SafetensorsWriter.create(directory, plan)) {
      tensors.forEach(writer::write);
      writer.finish();
    }
  }

  @Test
  void everyLayerIsReadBackThroughTheConfiguration() throws IOException {
    var layers = layers();
    var encodings = new LinkedHashMap<String, Encoding>();
    var stored = new LinkedHashMap<String, Tensor>();
    var decoded = new LinkedHashMap<String, Tensor>();
    layers.forEach(
        (module, weight) -> {
          encodings.put(module, weight.encoding());
          stored.putAll(CompressedTensors.codec(weight.encoding()).encode(module, weight));
          var values = weight.decode();
          decoded.put(
              module + ".weight",
              Tensor.ofFloats(values.values(), values.rows(), values.columns()));
        });
    var directory = Path.of("target", "compressed-tensors");
    write(directory, stored);
    write(directory.resolve("decoded"), decoded);
    var config = Json.object();
    config.set(Quantization.FIELD, QuantizationConfig.describe(encodings, false).toJson());
    Json.write(directory.resolve("config.json"), config);

    var file = directory.resolve("config.json");
    var read = Quantizations.of(Json.read(file), file.toString()).orElseThrow();
    try (var source = Safetensors.open(directory)) {
      for (var module : layers.keySet()) {
        var how =
            read.module(module, "Linear")
                .orElse(new Stored(new DenseCodec(), new Encoding.Plain(DType.F32)));
        var weight = how.codec().decode(module, how.encoding(), source);
        assertThat(weight.encoding()).as(module).isEqualTo(encodings.get(module));
        assertThat(weight.decode().values())
            .as(module)
            .isEqualTo(layers.get(module).decode().values());
      }
    }
  }
}

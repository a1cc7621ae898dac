package ai.lathe.format.compressed;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.format.FormatException;
import ai.lathe.format.HostileInput;
import ai.lathe.format.Json;
import ai.lathe.format.Quantization;
import ai.lathe.format.Quantization.Stored;
import ai.lathe.format.compressed.QuantizationConfig.ActivationOrder;
import ai.lathe.format.quantized.Quantizations;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.FloatScheme;
import ai.lathe.tensor.FloatType;
import ai.lathe.tensor.GroupScale;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.ScaleTile;
import ai.lathe.tensor.Sum;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.ShrinkingMode;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class QuantizationConfigTest {

  private static final String LAYER = "model.layers.0.self_attn.";

  /** What the Python package prints (tools/golden_compressed_tensors.py). */
  private static byte[] golden() {
    try (var in =
        QuantizationConfigTest.class.getResourceAsStream("/compressed/quantization_config.json")) {
      return Objects.requireNonNull(in).readAllBytes();
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  private static QuantizationConfig parse(byte[] config) {
    return (QuantizationConfig)
        Quantizations.of(Json.parse(config, "config.json"), "config.json").orElseThrow();
  }

  private static Optional<IntegerScheme> scheme(QuantizationConfig config, String module) {
    return config
        .module(module, "Linear")
        .map(stored -> ((Encoding.Grouped) stored.encoding()).scheme());
  }

  @Test
  void modulesFindTheirGroup() {
    var config = parse(golden());
    assertThat(config.version()).isEqualTo("0.20.0");
    assertThat(config.format()).isEqualTo("compressed-tensors mixed-precision");
    // An exact name and an expression come before the class, whatever the order of the groups.
    assertThat(scheme(config, LAYER + "q_proj"))
        .contains(new IntegerScheme(3, 128, true, Activations.NONE));
    assertThat(scheme(config, "model.layers.7.mlp.up_proj"))
        .contains(new IntegerScheme(4, 128, false, Activations.NONE));
    assertThat(scheme(config, LAYER + "k_proj"))
        .contains(new IntegerScheme(8, 0, true, Activations.INT8_TOKEN));
    assertThat(scheme(config, "lm_head")).isEmpty();
    assertThat(scheme(config, "model.layers.1.mlp.up_proj")).isEmpty();
    assertThat(config.module("model.embed_tokens", "Embedding")).isEmpty();
    var group = config.group("model.layers.7.mlp.up_proj", "Linear").orElseThrow();
    assertThat(group.order()).isEqualTo(ActivationOrder.STATIC);
    assertThat(config.codec(group).name()).isEqualTo("pack-quantized");
  }

  @Test
  void whatIsPrintedIsReadBackAsTheSame() {
    var config = parse(golden());
    var printed = Json.object().set(Quantization.FIELD, config.toJson());
    assertThat(parse(Json.print(printed))).isEqualTo(config);
  }

  @Test
  void fieldsAndValuesAreThoseOfThePythonPackage() {
    var reference = Json.parse(golden(), "golden").get(Quantization.FIELD);
    var ours = parse(golden()).toJson();
    for (var name : List.of("quant_method", "version", "format", "quantization_status", "ignore")) {
      assertThat(ours.get(name)).as(name).isEqualTo(reference.get(name));
    }
    for (var group : reference.get("config_groups").properties()) {
      for (var field : group.getValue().properties()) {
        var mine = ours.get("config_groups").get(group.getKey()).get(field.getKey());
        if (field.getValue().isObject()) {
          // The package leaves actorder out where there is none; older ones print null.
          field
              .getValue()
              .properties()
              .forEach(
                  e -> assertThat(mine.get(e.getKey())).as(e.getKey()).isEqualTo(e.getValue()));
        } else {
          assertThat(mine).as(field.getKey()).isEqualTo(field.getValue());
        }
      }
    }
  }

  @Test
  void aModelOfOneEncodingIsOneGroupOfAllLinearLayers() {
    var scheme = new IntegerScheme(4, 128, true, Activations.NONE);
    var modules = new LinkedHashMap<String, Encoding>();
    modules.put(LAYER + "q_proj", new Encoding.Grouped(scheme, DType.BF16));
    modules.put(LAYER + "k_proj", new Encoding.Grouped(scheme, DType.BF16));
    modules.put("lm_head", new Encoding.Plain(DType.BF16));
    var config = QuantizationConfig.describe(modules, true);
    assertThat(config.groups()).hasSize(1);
    assertThat(config.groups().getFirst().targets()).containsExactly("Linear");
    assertThat(config.ignore()).containsExactly("lm_head");
    assertThat(config.format()).isEqualTo("compressed-tensors pack-quantized");
    modules.forEach(
        (module, encoding) ->
            assertThat(config.module(module, "Linear").map(Stored::encoding))
                .isEqualTo(Optional.of(encoding).filter(e -> e instanceof Encoding.Grouped)));
  }

  @Test
  void aModelOfSeveralEncodingsNamesItsModules() {
    var modules = new LinkedHashMap<String, Encoding>();
    for (int bits = 2; bits <= 8; bits++) {
      var scheme =
          new IntegerScheme(
              bits,
              bits == 8 ? 0 : 32,
              bits % 2 == 0,
              bits == 8 ? Activations.INT8_TOKEN : Activations.NONE);
      modules.put("a." + bits, new Encoding.Grouped(scheme, DType.F16, bits == 3));
      modules.put("b." + bits, new Encoding.Grouped(scheme, DType.F16, bits == 3));
    }
    modules.put("lm_head", new Encoding.Plain(DType.F16));
    var config = QuantizationConfig.describe(modules, false);
    assertThat(config.groups()).hasSize(7);
    assertThat(config.format()).isEqualTo("compressed-tensors mixed-precision");
    var read = parse(Json.print(Json.object().set(Quantization.FIELD, config.toJson())));
    assertThat(read).isEqualTo(config);
    modules.forEach(
        (module, encoding) ->
            assertThat(read.module(module, "Linear").map(Stored::encoding))
                .isEqualTo(Optional.of(encoding).filter(e -> e instanceof Encoding.Grouped)));
  }

  @Test
  void integersAndFloatsStandSideBySide() {
    var modules = new LinkedHashMap<String, Encoding>();
    var integers = new IntegerScheme(4, 128, true, Activations.NONE);
    var asymmetric = new IntegerScheme(8, 0, false, Activations.INT8_TOKEN);
    var scheme4Fp8 = new IntegerScheme(4, 128, true, Activations.FP8_TOKEN);
    modules.put("a", new Encoding.Grouped(integers, DType.F16));
    modules.put("b", new Encoding.Grouped(asymmetric, DType.F16));
    modules.put("c", new Encoding.Grouped(scheme4Fp8, DType.F16));
    for (var scheme :
        new FloatScheme[] {
          FloatScheme.fp8(ScaleTile.TENSOR, Activations.FP8_TENSOR),
          FloatScheme.fp8(ScaleTile.CHANNEL, Activations.NONE),
          FloatScheme.fp8(new ScaleTile(128, 128), Activations.FP8_TOKEN),
          FloatScheme.mxfp4(Activations.MXFP4),
          FloatScheme.mxfp8(Activations.NONE),
          FloatScheme.nvfp4(Activations.NVFP4),
        }) {
      modules.put("m." + modules.size(), Encoding.Floats.of(scheme, DType.F32));
    }
    var config = QuantizationConfig.describe(modules, false);
    assertThat(config.format()).isEqualTo("compressed-tensors mixed-precision");
    assertThat(config.groups().stream().map(QuantizationConfig.Group::format))
        .containsExactly(
            "pack-quantized",
            "int-quantized",
            "int-quantized",
            "float-quantized",
            "naive-quantized",
            "float-quantized",
            "mxfp4-pack-quantized",
            "mxfp8-quantized",
            "nvfp4-pack-quantized");
    var read = parse(Json.print(Json.object().set(Quantization.FIELD, config.toJson())));
    assertThat(read).isEqualTo(config);
    modules.forEach(
        (module, encoding) ->
            assertThat(read.module(module, "Linear").map(Stored::encoding)).contains(encoding));
  }

  @Test
  void rotatedInputsStandInTheTransforms() {
    var scheme = Encoding.Floats.of(FloatScheme.nvfp4(Activations.NVFP4), DType.F32);
    var modules = new LinkedHashMap<String, Encoding>();
    modules.put("a", new Encoding.Rotated(64, scheme));
    modules.put("b", new Encoding.Rotated(128, scheme));
    modules.put("c", scheme);
    modules.put("lm_head", new Encoding.Plain(DType.F16));
    var config = QuantizationConfig.describe(modules, true);
    assertThat(config.groups()).hasSize(1);
    var read = parse(Json.print(Json.object().set(Quantization.FIELD, config.toJson())));
    assertThat(read).isEqualTo(config);
    modules.forEach(
        (module, encoding) ->
            assertThat(read.module(module, "Linear").map(Stored::encoding))
                .isEqualTo(Optional.of(encoding).filter(e -> !(e instanceof Encoding.Plain))));

    modules.remove("b");
    modules.remove("c");
    var one = QuantizationConfig.describe(modules, false).toJson().get("transform_config");
    var apply = one.get("config_groups").get("rotation_0").get("apply").get(0);
    assertThat(apply.get("targets").get(0).textValue()).isEqualTo("Linear");
    assertThat(apply.get("ignore").get(0).textValue()).isEqualTo("lm_head");
  }

  @Test
  void aTypeThatThePackageLacksIsLathesOwn() {
    var scheme =
        new FloatScheme(FloatType.E5M2, ScaleTile.CHANNEL, GroupScale.FLOAT, Activations.NONE);
    var modules = new LinkedHashMap<String, Encoding>();
    modules.put("a", Encoding.Floats.of(scheme, DType.F32));
    var config = QuantizationConfig.describe(modules, false);
    assertThat(config.toJson().get("quant_method").textValue()).isEqualTo("lathe");
    var read = parse(Json.print(Json.object().set(Quantization.FIELD, config.toJson())));
    assertThat(read.module("a", "Linear").map(Stored::encoding)).contains(modules.get("a"));
  }

  @Test
  void aModelWithoutTheFieldIsNotQuantized() {
    assertThat(Quantizations.of(Json.object(), "config.json")).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "\"compressed-tensors\"|\"hqq\"|quant_method 'hqq' is not supported; supported: compressed-tensors",
        "\"format\": \"pack-quantized\"|\"format\": \"marlin-24\"|format 'marlin-24' is not supported; supported: dense, pack-quantized, int-quantized",
        "\"format\": \"pack-quantized\"|\"format\": \"nvfp4-pack-quantized\"|type 'int' is not supported; supported: float",
        "\"num_bits\": 3|\"num_bits\": 9|2 to 8 bits, not 9",
        "\"num_bits\": 3|\"num_bits\": \"3\"|'num_bits' should be a whole number",
        "\"strategy\": \"group\"|\"strategy\": \"block\"|strategy 'block' is not supported; supported: group, channel",
        "\"group_size\": 128|\"group_size\": -4|'group_size' should be positive, not -4",
        "\"type\": \"int\"|\"type\": \"float\"|supported",
        "\"strategy\": \"token\"|\"strategy\": \"tensor\"|supported: symmetric int, or float of 4 or 8 bits",
        "\"actorder\": \"static\"|\"actorder\": \"fast\"|actorder 'fast' is not supported; supported: weight, static, group, dynamic",
        "\"re:.*layers|\"re:.*(layers|is no regular expression",
        "\"config_groups\"|\"groups\"|'config_groups' is missing",
        "\"quantization_status\"|\"transform_config\": {\"a\": 1}, \"quantization_status\"|transform_config: 'config_groups' is missing",
        "\"quantization_status\"|\"transform_config\": {\"config_groups\": {\"r\": {\"type\": \"hadamard\", \"apply\": [{\"location\": \"k_cache\"}]}}}, \"quantization_status\"|only 'hadamard' of the input",
        "\"quantization_status\"|\"transform_config\": {\"config_groups\": {\"r\": {\"type\": \"hadamard\", \"head_dim\": 96, \"apply\": [{\"location\": \"input\"}]}}}, \"quantization_status\"|power of two",
      })
  void whatCannotBeReadRightIsRefusedInOneLine(String found, String instead, String message) {
    var text = new String(golden(), StandardCharsets.UTF_8);
    assertThat(text).contains(found);
    var changed = text.replace(found, instead).getBytes(StandardCharsets.UTF_8);
    assertThatThrownBy(() -> parse(changed))
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith("config.json")
        .hasMessageContaining(message)
        .message()
        .doesNotContain("\n");
  }

  @Test
  void anExpressionThatTakesForeverIsStopped() {
    var selector = Selector.of("re:(.*a){25}$", "config.json");
    assertThatThrownBy(() -> selector.matchesName("a".repeat(60) + "!"))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("takes too long");
  }

  @Test
  void anExpressionMatchesFromTheBeginningOfAName() {
    var selector = Selector.of("re:.*mlp", "config.json");
    assertThat(selector.matchesName("model.mlp.gate")).isTrue();
    assertThat(Selector.of("re:mlp", "config.json").matchesName("model.mlp.gate")).isFalse();
  }

  private static byte[] composites() {
    var modules = new LinkedHashMap<String, Encoding>();
    var random = new Random(1);
    for (var weight : CompositeCodecTest.products(random)) {
      modules.put(LAYER + modules.size(), weight.encoding());
    }
    for (var base : CompositeCodecTest.bases(random)) {
      var low = CompositeCodecTest.products(random).getFirst();
      modules.put(LAYER + modules.size(), new Sum(List.of(base, low)).encoding());
      modules.put(LAYER + modules.size(), base.encoding());
    }
    return printed(modules);
  }

  private static byte[] masked() {
    var modules = new LinkedHashMap<String, Encoding>();
    modules.put(
        LAYER + "q_proj",
        Encoding.Sparse.withZeros(Pattern.UNSTRUCTURED, 1, 2, new Encoding.Plain(DType.F16)));
    return printed(modules);
  }

  private static byte[] printed(LinkedHashMap<String, Encoding> modules) {
    var config = Json.object();
    config.set("quantization_config", QuantizationConfig.describe(modules, false).toJson());
    return Json.print(config);
  }

  @Provide
  Arbitrary<byte[]> configs() {
    return HostileInput.from(
        List.of(golden(), composites(), masked()),
        List.of(
            "null",
            "true",
            "{}",
            "[]",
            "-1",
            "\"",
            "re:",
            "(",
            "*",
            "\"group\"",
            "1e400",
            "\\u0000",
            "\"Linear\"",
            "dense",
            "mixed-precision",
            "0.17.1"));
  }

  @Property(tries = 20_000, shrinking = ShrinkingMode.OFF)
  void damagedConfigurationsAreRefusedOrReadable(@ForAll("configs") byte[] text) {
    HostileInput.assertTame(
        text,
        bytes -> {
          var config = Quantizations.of(Json.parse(bytes, "fuzz"), "fuzz");
          config.ifPresent(
              c ->
                  c.module(LAYER + "q_proj", "Linear")
                      .ifPresent(stored -> assertThat(stored.codec()).isNotNull()));
          config.ifPresent(Quantization::toJson);
        });
  }
}

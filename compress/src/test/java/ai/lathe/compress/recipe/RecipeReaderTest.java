package ai.lathe.compress.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.compress.recipe.Modifier.Quantization;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RecipeReaderTest {

  @Test
  void readsARecipeOfLlmCompressorAsItIs() {
    var recipe =
        RecipeReader.parse(
            """
            quant_stage:
              run_type: oneshot
              quant_modifiers:
                GPTQModifier:
                  targets: ["Linear"]
                  ignore: ["lm_head", "re:.*gate$"]
                  scheme: W4A16
                  block_size: 64
                  dampening_frac: 0.05
                  actorder: static
                  offload_hessians: true
            """);

    var gptq = (Quantization) recipe.modifiers().getFirst();
    assertThat(gptq.method()).isEqualTo("gptq");
    assertThat(gptq.settings())
        .isEqualTo(Map.of("block_size", "64", "dampening_frac", "0.05", "actorder", "static"));
    var w4 = new Scheme.Integers(new IntegerScheme(4, 128, true, Activations.NONE));
    assertThat(gptq.scheme("model.layers.0.mlp.up_proj", "Linear")).contains(w4);
    assertThat(gptq.scheme("model.layers.0.mlp.gate", "Linear")).isEmpty();
    assertThat(gptq.scheme("lm_head", "Linear")).isEmpty();
    assertThat(gptq.scheme("model.embed_tokens", "Embedding")).isEmpty();
  }

  @Test
  void modifiersNeedNoStage() {
    var recipe = RecipeReader.parse("QuantizationModifier: {targets: Linear, scheme: W8A8}");

    var rtn = (Quantization) recipe.modifiers().getFirst();
    assertThat(rtn.method()).isEqualTo("rtn");
    var int8 = new IntegerScheme(8, IntegerScheme.CHANNEL, true, Activations.INT8_TOKEN);
    assertThat(rtn.scheme("any", "Linear")).contains(new Scheme.Integers(int8));
  }

  @Test
  void configGroupsGiveLayersTheirOwnSchemes() {
    var recipe =
        RecipeReader.parse(
            """
            GPTQModifier:
              config_groups:
                group_0:
                  targets: ["re:.*down_proj"]
                  weights: {num_bits: 8, type: int, symmetric: true, strategy: channel}
                group_1:
                  targets: ["Linear"]
                  weights: {num_bits: 3, type: int, symmetric: false, strategy: group, group_size: 32}
                  input_activations: {num_bits: 8, type: int, strategy: token, dynamic: true, symmetric: true}
            """);

    var gptq = (Quantization) recipe.modifiers().getFirst();
    assertThat(gptq.scheme("model.layers.3.mlp.down_proj", "Linear").map(Scheme::label))
        .contains("int8 channel");
    assertThat(gptq.scheme("model.layers.3.mlp.up_proj", "Linear"))
        .isEqualTo(
            Optional.of(
                new Scheme.Integers(new IntegerScheme(3, 32, false, Activations.INT8_TOKEN))));
  }

  @Test
  void oneSchemeMayNameItsTargets() {
    var recipe =
        RecipeReader.parse("GPTQModifier: {scheme: {W8A16: ['re:.*v_proj'], W4A16: [Linear]}}");

    var gptq = (Quantization) recipe.modifiers().getFirst();
    assertThat(gptq.scheme("model.layers.0.self_attn.v_proj", "Linear").map(Scheme::label))
        .contains("int8 g128");
    assertThat(gptq.scheme("model.layers.0.self_attn.q_proj", "Linear").map(Scheme::label))
        .contains("int4 g128");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          GPTQModifer: {scheme: W4A16}                      | unknown modifier or stage 'GPTQModifer'; did you mean 'GPTQModifier'?
          GPTQModifier: {scheme: W4A61}                     | unknown scheme 'W4A61'; did you mean 'W4A16'?
          GPTQModifier: {scheme: W4A16, dampning_frac: 0.1} | unknown key of GPTQModifier 'dampning_frac'; did you mean 'dampening_frac'?
          QuantizationModifier: {scheme: W4A16, block_size: 128} | unknown key of QuantizationModifier 'block_size'
          GPTQModifier: {scheme: W4A16, observer: mze}      | unknown GPTQModifier.observer 'mze'; did you mean 'mse'?
          GPTQModifier: {targets: [Linear]}                 | GPTQModifier needs a scheme
          GPTQModifier: {scheme: W4A16, targets: ['re:(']}  | GPTQModifier.targets: 're:(' is no regular expression
          GPTQModifier: {scheme: W4A16, scheme: W3A16}      | not YAML: Duplicate field 'scheme'
          GPTQModifier: {scheme: W4A16, kv_cache_scheme: {num_bits: 8}} | the cache stays in floating point
          - GPTQModifier                                    | a recipe is a YAML mapping
          run_type: oneshot                                 | the recipe names no modifier
          '{'                                               | not YAML
          """)
  void aMistakeIsOneLineThatNamesWhatWouldBeRight(String yaml, String message) {
    assertThatThrownBy(() -> RecipeReader.parse(yaml))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining(message)
        .satisfies(e -> assertThat(e.getMessage()).doesNotContain("\n"));
  }

  @Test
  void theFileIsNamed(@TempDir Path folder) throws Exception {
    var file = Files.writeString(folder.resolve("recipe.yaml"), "GPTQModifier: {scheme: W9A16}");

    assertThatThrownBy(() -> RecipeReader.read(file))
        .hasMessageContaining("recipe.yaml: unknown scheme 'W9A16'");
    assertThatThrownBy(() -> RecipeReader.read(folder.resolve("none.yaml")))
        .hasMessageContaining("cannot read the recipe");
  }

  @Test
  void floatingFormatsAreSpeltOutLikeIntegers() {
    var recipe =
        RecipeReader.parse(
            """
            QuantizationModifier:
              config_groups:
                group_0:
                  targets: ["re:.*q_proj"]
                  weights: {num_bits: 8, type: float, strategy: block, block_structure: [128, 128]}
                  input_activations: {num_bits: 8, type: float, strategy: group, group_size: 128, dynamic: true}
                group_1:
                  targets: ["re:.*k_proj"]
                  weights: {num_bits: 4, type: float, strategy: tensor_group, group_size: 16, scale_dtype: torch.float8_e4m3fn}
                  input_activations: {num_bits: 4, type: float, strategy: tensor_group, group_size: 16, dynamic: local}
                group_2:
                  weights: {num_bits: 4, type: float, strategy: group, group_size: 32, scale_dtype: torch.uint8}
            """);
    var schemes =
        ((Modifier.Quantization) recipe.modifiers().getFirst())
            .groups().stream().map(Modifier.Group::scheme).toList();
    assertThat(schemes)
        .containsExactly(
            Schemes.named("FP8_BLOCK"), Schemes.named("NVFP4"), Schemes.named("MXFP4A16"));
  }

  @Test
  void aFloatingFormatThatThereIsNotIsRefused() {
    assertThatThrownBy(
            () ->
                RecipeReader.parse(
                    "QuantizationModifier: {config_groups: {g: {weights: {num_bits: 6, type: float}}}}"))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("g.weights: num_bits '6' is not supported; supported: 4, 8");
    assertThatThrownBy(
            () ->
                RecipeReader.parse(
                    "QuantizationModifier: {config_groups: {g: {weights: {type: floats}}}}"))
        .hasMessageContaining("did you mean 'float'?");
  }

  @Test
  void everyMethodHasItsModifier() {
    for (var name : List.of("SpQR", "BitStack", "VPTQ", "AQLM", "GSQ", "AdaQuant", "MRGPTQ")) {
      var yaml = name + "Modifier: {targets: [Linear], scheme: W3A16, dampening: 1}";
      assertThatThrownBy(() -> RecipeReader.parse(yaml)).hasMessageContaining("'dampening'");
      var recipe = RecipeReader.parse(yaml.replace(", dampening: 1", ""));
      assertThat(recipe.modifiers().getFirst())
          .isInstanceOfSatisfying(
              Quantization.class,
              q -> assertThat(q.method().replace("-", "")).isEqualToIgnoringCase(name));
    }
    var spqr = RecipeReader.parse("SpQRModifier: {scheme: W3A16, outlier_share: 0.02}");
    assertThat(((Quantization) spqr.modifiers().getFirst()).settings())
        .containsEntry("outlier_share", "0.02");
  }
}

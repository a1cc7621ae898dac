package ai.lathe.compress.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.compress.pruning.Sparsity;
import ai.lathe.compress.recipe.Modifier.Pruning;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Pattern;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PruningRecipeTest {

  private static Pruning read(String yaml) {
    return (Pruning) RecipeReader.parse(yaml).modifiers().getFirst();
  }

  /** The recipe of llm-compressor's 2:4 examples. */
  @Test
  void readsARecipeOfLlmCompressor() {
    var recipe =
        RecipeReader.parse(
            """
            sparsity_stage:
              run_type: oneshot
              sparsity_modifiers:
                SparseGPTModifier:
                  sparsity: 0.5
                  mask_structure: "2:4"
                  sequential_update: false
                  block_size: 64
                  targets: ['re:model.layers.\\d+$']
                  ignore: ['re:.*down_proj']
            quantization_stage:
              run_type: oneshot
              quantization_modifiers:
                ConstantPruningModifier:
                  targets: ['re:.*q_proj.weight']
                  start: 0
                GPTQModifier:
                  scheme: W4A16
                  ignore: ["lm_head"]
            """);
    assertThat(recipe.modifiers()).hasSize(3);
    var sparse = (Pruning) recipe.modifiers().getFirst();
    assertThat(sparse.method()).isEqualTo("sparsegpt");
    assertThat(sparse.sparsities())
        .isEqualTo(List.of(new Sparsity(0.5, new Pattern.SemiStructured(2, 4))));
    assertThat(sparse.settings()).isEqualTo(Map.of("block_size", "64"));
    assertThat(sparse.prunes("model.layers.3.self_attn.q_proj", "Linear")).isTrue();
    assertThat(sparse.prunes("model.layers.3.mlp.down_proj", "Linear")).isFalse();
    assertThat(sparse.prunes("model.layers.3.mlp.gate", "Router")).isFalse();
    assertThat(sparse.prunes("lm_head", "Linear")).isFalse();
    var constant = (Pruning) recipe.modifiers().get(1);
    assertThat(constant.method()).isEqualTo("constant");
    assertThat(constant.prunes("model.layers.0.self_attn.q_proj", "Linear")).isTrue();
    assertThat(constant.prunes("model.layers.0.self_attn.k_proj", "Linear")).isFalse();
  }

  /** In a recipe n of every m become zero; a pattern keeps n of every m. */
  @ParameterizedTest
  @CsvSource({"'1:4',3:4", "'0:0',unstructured", "unstructured,unstructured", "'3:4',1:4"})
  void masksOfRecipesCountZeros(String structure, String pattern) {
    var recipe =
        read(
            "WandaPruningModifier: {sparsity: %s, mask_structure: \"%s\"}"
                .formatted(
                    pattern.equals("3:4") ? 0.25 : pattern.equals("1:4") ? 0.75 : 0.5, structure));
    assertThat(recipe.sparsity(0).pattern()).isEqualTo(Pattern.parse(pattern));
  }

  @Test
  void readsAShareForEachBlockAndGlobalMagnitude() {
    var list = read("SparseGPTModifier: {sparsity: [0.25, 0.5]}");
    assertThat(list.sparsity(1).share()).isEqualTo(0.5);
    var global =
        read(
            "MagnitudePruningModifier: {init_sparsity: 0.05, final_sparsity: 0.6, apply_globally: true, targets: __ALL_PRUNABLE__}");
    assertThat(global.method()).isEqualTo("magnitude");
    assertThat(global.sparsity(7).share()).isEqualTo(0.6);
    assertThat(global.settings()).isEqualTo(Map.of("scope", "global"));
    assertThat(global.prunes("encoder.layer.0.output.dense", "Linear")).isTrue();
  }

  @Test
  void readsSparseMlsObs() {
    var obs =
        read(
            """
            OBSPruningModifier:
              final_sparsity: 0.8
              init_sparsity: 0.3
              num_grads: 512
              damp: 1e-7
              fisher_block_size: 50
              mask_type: block4
              num_recomputations: 4
              inter_func: cubic
            """);
    assertThat(obs.method()).isEqualTo("obert");
    assertThat(obs.sparsity(0)).isEqualTo(new Sparsity(0.8, new Pattern.Blocks(1, 4)));
    assertThat(obs.settings())
        .containsEntry("num_grads", "512")
        .containsEntry("num_recomputations", "4");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "SparseGPTModifier: {sparsity: 1.0} | not 1.0",
        "SparseGPTModifier: {sparsity: half} | is a number",
        "SparseGPTModifier: {sparsity: 0.7, mask_structure: '2:4'} | contradicts",
        "SparseGPTModifier: {sparcity: 0.5} | did you mean 'sparsity'",
        "SparseGPTModifier: {sparsity: 0.5, mask_structure: '5:4'} | mask_structure",
        "SparseGPTModifier: {sparsity: 0.5, sparsity_profile: owl} | not derived from outliers",
        "WandaPruningModifier: {} | needs a sparsity",
        "MagnitudePruningModifier: {sparsity: 0.5, apply_globally: perhaps} | true or false",
      })
  void mistakesAreNamed(String yaml, String message) {
    assertThatThrownBy(() -> RecipeReader.parse(yaml))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining(message);
  }
}

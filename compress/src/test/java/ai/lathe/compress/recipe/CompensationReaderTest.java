package ai.lathe.compress.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.compress.compensation.Compensation.Method;
import ai.lathe.compress.plan.Planner;
import ai.lathe.compress.plan.Target;
import ai.lathe.compress.pruning.Armor;
import ai.lathe.compress.pruning.Gqsa;
import ai.lathe.compress.pruning.Kept;
import ai.lathe.compress.pruning.Slim;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.block.BlockTypes;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CompensationReaderTest {

  @Test
  void standsBesideAQuantizer() {
    var recipe =
        RecipeReader.parse(
            """
            quant_stage:
              quant_modifiers:
                GPTQModifier: {scheme: W3A16, ignore: [lm_head]}
                EoRAModifier: {rank: 16, adapter_bits: 4, ignore: ["re:.*down_proj"]}
            """);
    var compensation = (Modifier.Compensation) recipe.modifiers().getLast();
    assertThat(recipe.modifiers()).hasSize(2);
    assertThat(compensation.method()).isEqualTo(Method.EORA);
    assertThat(compensation.rank()).isEqualTo(16);
    assertThat(compensation.bits()).contains(4);
    assertThat(compensation.compensates("model.layers.0.mlp.up_proj", "Linear")).isTrue();
    assertThat(compensation.compensates("model.layers.0.mlp.down_proj", "Linear")).isFalse();
    assertThat(compensation.compensates("model.norm", "Norm")).isFalse();
  }

  @Test
  void namesItsMethod() {
    var recipe =
        RecipeReader.parse(
            """
            CompensationModifier: {method: svd}
            """);
    var same = Recipe.compensation(Method.SVD, 32, Optional.empty());
    assertThat(recipe).hasToString(same.toString());
  }

  /** What a modifier says is what its method is given. */
  @Test
  void methodsOfPapersHaveModifiersOfTheirNames() {
    var recipe =
        RecipeReader.parse(
            """
            SLiMModifier: {sparsity: 0.5, mask_structure: "2:4", rank: 8, adapter_bits: 4,
                           scale: scheme, subtract_adapter: false}
            GQSAModifier: {sparsity: 0.25, mask_structure: "1x16", fit_scales: false}
            ARMORModifier: {sparsity: 0.5, mask_structure: "2:4", block_size: 16, iterations: 10,
                            learning_rate: 0.001, seed: 3}
            """);
    var steps = recipe.modifiers().stream().map(Modifier.Pruning.class::cast).toList();
    var kept = new Kept.Plain(DType.BF16);
    var slim = new Slim().config(steps.get(0).sparsity(0), kept, steps.get(0).settings());
    assertThat(slim.rank()).contains(8);
    assertThat(slim.factors().scheme().map(scheme -> scheme.bits())).contains(4);
    assertThat(slim.subtract()).isFalse();
    var gqsa = new Gqsa().config(steps.get(1).sparsity(0), kept, steps.get(1).settings());
    assertThat(gqsa.sparsity().label()).isEqualTo("25% 1x16");
    assertThat(gqsa.fitScales()).isFalse();
    var armor = new Armor().config(steps.get(2).sparsity(0), kept, steps.get(2).settings());
    assertThat(armor).isEqualTo(new Armor.Config(DType.BF16, 16, 10, 0.001, 3));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "EoRAModifier: {rang: 4} | key of EoRAModifier",
        "EoRAModifier: {rank: 4.5} | EoRAModifier.rank is a whole number, not '4.5'",
        "EoRAModifier: {rank: 0} | a rank is at least 1 (32 is usual), not 0",
        "EoRAModifier: {method: svd} | key of EoRAModifier",
        "CompensationModifier: {method: eor} | eora",
        "EoRAModifer: {} | EoRAModifier",
      })
  void oneLineForWhatIsWrong(String yaml, String line) {
    assertThatThrownBy(() -> RecipeReader.parse(yaml))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining(line);
  }

  @Test
  void somethingHasToBeCompressed(@TempDir Path folder) {
    try (var model =
        Checkpoints.open(EmbeddedModel.extract(folder.resolve("model")).directory().toString())) {
      var alone = Recipe.compensation(Method.SVD, 4, Optional.empty());
      assertThatThrownBy(() -> Planner.plan(model, alone, Target.HUGGING_FACE))
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("nothing to compensate: no matrix of a block is compressed");
      var q4 = Recipe.gguf("rtn", BlockTypes.named("Q4_0"), Map.of());
      assertThatThrownBy(() -> Planner.plan(model, q4.then(alone), Target.GGUF))
          .isInstanceOf(LatheException.class)
          .hasMessage(
              "a GGUF file has no place for Q4_0 + rank 4 BF16: name a directory, which stores sums and"
                  + " products of matrices");
      var wide = Recipe.compensation(Method.SVD, 100_000, Optional.empty());
      var w4 = Recipe.preset("rtn", "W4A16", Optional.of(32));
      assertThatThrownBy(() -> Planner.plan(model, w4.then(wide), Target.HUGGING_FACE))
          .isInstanceOf(LatheException.class)
          .hasMessageStartingWith("there is nothing to compensate: nothing put beside it: a ")
          .hasMessageEndingWith("at most, not 100000");
    }
  }
}

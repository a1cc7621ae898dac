package ai.lathe.compress.database;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.compress.pruning.Sparsity;
import ai.lathe.compress.recipe.Modifier;
import ai.lathe.compress.recipe.Modifier.Factorization;
import ai.lathe.compress.recipe.Modifier.Pruning;
import ai.lathe.compress.recipe.Modifier.Quantization;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Pattern;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LevelSpecTest {

  private static Quantization quantization(String name) {
    return (Quantization) LevelSpec.of(name).recipe().modifiers().getLast();
  }

  private static Pruning pruning(String name) {
    return (Pruning) LevelSpec.of(name).recipe().modifiers().getFirst();
  }

  @ParameterizedTest
  @CsvSource({
    "W4A16, gptq, int4 g128",
    "W3A16_ASYM, gptq, int3 g128 asym",
    "W4A16:g32, gptq, int4 g32",
    "rtn:W4A16:g64, rtn, int4 g64",
    "Q4_K, gptq, Q4_K",
    "rtn:Q6_K, rtn, Q6_K",
    "sparse:0.5+W4A16, gptq, int4 g128",
    "wanda:2:4+rtn:W8A16, rtn, int8 g128"
  })
  void schemesHaveAMethod(String name, String method, String label) {
    assertThat(quantization(name).method()).isEqualTo(method);
    assertThat(quantization(name).groups().getLast().scheme().label()).isEqualTo(label);
  }

  @Test
  void zerosHaveAPruner() {
    assertThat(pruning("sparse:0.5").method()).isEqualTo("sparsegpt");
    assertThat(pruning("wanda:0.5").method()).isEqualTo("wanda");
    assertThat(pruning("sparse:0.5").sparsities())
        .containsExactly(new Sparsity(0.5, Pattern.UNSTRUCTURED));
    assertThat(pruning("sparse:2:4").sparsities())
        .containsExactly(new Sparsity(0.5, new Pattern.SemiStructured(2, 4)));
    assertThat(pruning("sparse:0.75:16x4").sparsities())
        .containsExactly(new Sparsity(0.75, new Pattern.Blocks(16, 4)));
    var factors = (Factorization) LevelSpec.of("svd-llm:0.2").recipe().modifiers().getFirst();
    assertThat(factors.method()).isEqualTo("svd-llm");
    var rocket = LevelSpec.of("rocket:0.3:ratio=1.5:refine=10+W8A16").recipe().modifiers();
    assertThat(((Factorization) rocket.getFirst()).settings())
        .containsExactlyInAnyOrderEntriesOf(Map.of("ratio", "1.5", "refine", "10"));
    assertThat(rocket).hasSize(2);
    assertThat(LevelSpec.of("sparse:0.5+W4A16").recipe().modifiers())
        .extracting(Modifier::getClass)
        .containsExactly((Class) Pruning.class, (Class) Quantization.class);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "W4A61 | unknown level 'W4A61'; did you mean 'W4A16'?",
        "sprse:0.5 | unknown level 'sprse'; did you mean 'sparse'?",
        "sparse | level 'sparse' does not say how much goes: sparse:0.5 for half of it",
        "sparse:half | level 'sparse:half': a share is a number, for example 0.5, not 'half'",
        "sparse:1.5 | sparsity is the share of weights that become zero",
        "svd-llm:some | level 'svd-llm:some': a share is a number, for example 0.5, not 'some'",
        "svd-llm:1 | the share of parameters to remove is from 0 up to, but not, 1",
        "rocket:0.2:ratio | level 'rocket:0.2:ratio': after the share there may stand settings of rocket",
        "rocket:0.2:ratio=2:ratio=3 | level 'rocket:0.2:ratio=2:ratio=3': after the share",
        "rocket:0.2:ration=2 | unknown setting of ROCKET 'ration'; did you mean 'ratio'?",
        "W4A16:32 | level 'W4A16:32': after a scheme there may stand the size of its groups",
        "Q4_K:g32 | unknown level 'Q4_K'",
        "W4A16+sparse:0.5 | 'W4A16+sparse:0.5' is no level: before the + stand zeros",
        "sparse:0.5+wanda:0.5 | 'sparse:0.5+wanda:0.5' is no level: before the + stand zeros",
        "../W4A16 | unknown level '../W4A16'",
        "modegpt:0.2 | 'modegpt:0.2' is no level of a layer: modegpt narrows whole blocks",
        "modegpt:0.2+W8A16 | 'modegpt:0.2+W8A16' is no level of a layer: modegpt narrows whole blocks",
      })
  void whatIsNoLevelIsRefused(String name, String message) {
    assertThatThrownBy(() -> LevelSpec.of(name))
        .isInstanceOf(LatheException.class)
        .hasMessageStartingWith(message);
  }

  @Test
  void namesStandOnce() {
    assertThatThrownBy(() -> LevelSpec.all(List.of("W4A16", "W8A16", "W4A16")))
        .isInstanceOf(LatheException.class)
        .hasMessage("level W4A16 is asked for twice");
  }
}

package ai.lathe.model.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.format.Json;
import ai.lathe.model.ModelConfig;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HostileConfigTest {

  private static final String GOOD =
      "\"hidden_size\":64,\"intermediate_size\":128,\"num_hidden_layers\":2,"
          + "\"num_attention_heads\":4,\"vocab_size\":100,\"max_position_embeddings\":512";

  private static final List<String> KEYS =
      List.of(
          "model_type",
          "architectures",
          "hidden_size",
          "intermediate_size",
          "num_hidden_layers",
          "num_attention_heads",
          "num_key_value_heads",
          "head_dim",
          "vocab_size",
          "rms_norm_eps",
          "layer_norm_eps",
          "max_position_embeddings",
          "rope_theta",
          "rope_scaling",
          "hidden_act",
          "rope_parameters",
          "tie_word_embeddings",
          "sliding_window",
          "use_sliding_window",
          "max_window_layers",
          "layer_types",
          "torch_dtype",
          "dtype",
          "bos_token_id",
          "eos_token_id",
          "type_vocab_size",
          "partial_rotary_factor",
          "num_experts",
          "num_local_experts",
          "num_experts_per_tok",
          "moe_intermediate_size",
          "decoder_sparse_step",
          "mlp_only_layers");

  @Provide
  Arbitrary<String> configs() {
    var value =
        Arbitraries.of(
            "null",
            "true",
            "false",
            "0",
            "1",
            "-1",
            "2",
            "3",
            "64",
            "1e308",
            "-1e400",
            "0.5",
            "2147483647",
            "2147483648",
            "9223372036854775807",
            "1e30",
            "\"\"",
            "\"llama\"",
            "\"bert\"",
            "\"qwen3\"",
            "\"gemma3\"",
            "\"phi3\"",
            "\"gpt_neox\"",
            "\"opt\"",
            "\"mixtral\"",
            "\"qwen3_moe\"",
            "\"gelu\"",
            "\"silu\"",
            "\"bfloat16\"",
            "[]",
            "[1,2]",
            "[\"x\"]",
            "[null]",
            "{}",
            "{\"rope_type\":\"llama3\",\"factor\":0}",
            "{\"type\":\"linear\",\"factor\":2}",
            "{\"full\":{}}",
            "{\"rope_type\":\"yarn\"}",
            "[\"sliding_attention\",\"full_attention\"]");
    var field =
        Combinators.combine(Arbitraries.of(KEYS), value).as((key, v) -> "\"" + key + "\":" + v);
    return field
        .list()
        .ofMaxSize(6)
        .uniqueElements(text -> text.substring(0, text.indexOf(':')))
        .map(fields -> String.join(",", fields));
  }

  @Property(tries = 20_000)
  void onlyOurOwnExceptions(@ForAll("configs") String fields) {
    try {
      // Fields of the good ones come last, unless they were given.
      var json = Json.parse(("{" + GOOD + "}").getBytes(StandardCharsets.UTF_8), "test");
      json.put("model_type", "llama");
      json.setAll(Json.parse(("{" + fields + "}").getBytes(StandardCharsets.UTF_8), "test"));
      var architecture = HuggingFaceConfig.architecture(json, "test");
      var config = HuggingFaceConfig.read(json, architecture, DType.F32, true, "test");
      assertThat(config.heads() * (long) config.headSize()).isPositive();
    } catch (LatheException e) {
      assertThat(e.getMessage()).isNotBlank().doesNotContain("\n");
    }
  }

  private static ModelConfig read(String type, String more) {
    var text = "{\"model_type\":\"" + type + "\"," + GOOD + "," + more + "}";
    var json = Json.parse(text.getBytes(StandardCharsets.UTF_8), "config.json");
    var architecture = HuggingFaceConfig.architecture(json, "config.json");
    return HuggingFaceConfig.read(json, architecture, DType.F32, true, "config.json");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "llama | \"hidden_act\":\"mish\"                              | unknown activation 'mish'",
        "llama | \"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2} | unknown rope type 'dynamic'",
        "llama | \"rope_parameters\":{\"rope_type\":\"yarn\"}         | unknown rope type 'yarn'",
        "llama | \"final_logit_softcapping\":30.0                     | 'final_logit_softcapping'",
        "llama | \"partial_rotary_factor\":0.5                        | 'partial_rotary_factor'",
        "bert  | \"position_embedding_type\":\"relative_key\"         | 'position_embedding_type'",
        "bert  | \"is_decoder\":true                                  | 'is_decoder'",
        "llamo | \"hidden_act\":\"silu\"                              | did you mean 'llama'?",
        "llama | \"num_key_value_heads\":3                            | cannot share 3",
        "opt   | \"word_embed_proj_dim\":32                           | 'word_embed_proj_dim' = 32",
        "opt   | \"enable_bias\":false                               | 'enable_bias' = false",
        "gemma2 | \"layer_types\":[\"full_attention\"]              | one kind for each of 2 blocks",
        "gpt_neox | \"rotary_pct\":2                                 | 'rotary_pct' should be",
        "phi3  | \"rope_scaling\":{\"type\":\"longrope\",\"short_factor\":[1]} | 'short_factor' should be",
        "llama | \"dtype\":\"int8\"                                   | unknown dtype 'int8'"
      })
  void whatWouldComputeAnotherFunctionIsRefusedByName(String type, String field, String message) {
    assertThatThrownBy(() -> read(type, field))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining(message);
  }

  @Test
  void bothFormsOfRotaryScaling() {
    var old = "\"rope_theta\":5e5,\"rope_scaling\":{\"type\":\"linear\",\"factor\":4}";
    var current = "\"rope_parameters\":{\"rope_type\":\"linear\",\"rope_theta\":5e5,\"factor\":4}";
    assertThat(read("llama", old).rope()).isEqualTo(read("llama", current).rope());
    assertThat(read("llama", old).rope().theta()).isEqualTo(500_000);
  }
}

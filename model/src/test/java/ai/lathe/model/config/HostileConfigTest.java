package ai.lathe.model.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.format.Json;
import ai.lathe.model.BlockWidths;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Width;
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
          "mlp_only_layers",
          "block_widths");

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
            "[\"sliding_attention\",\"full_attention\"]",
            "{\"feed_forward\":[1,2],\"query_key\":[2,4],\"value\":[3,1]}",
            "{\"feed_forward\":[64,64],\"query_key\":[-2,4],\"value\":[3]}");
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
  void widthsOfBlocks() {
    var config = read("llama", widths("[128,5]", "[16,2]", "[7,16]"));
    assertThat(config.widths(0)).isEqualTo(new BlockWidths(128, 16, 7));
    assertThat(config.widths(1)).isEqualTo(new BlockWidths(5, 2, 16));
    assertThat(config.headSize()).isEqualTo(16);
    assertThat(config.size(Width.MIXED_VALUES, 0)).isEqualTo(4 * 7);
    assertThat(config.keepsPairs(0)).isFalse();
    assertThat(config.keepsPairs(1)).isTrue();
    var whole = read("llama", widths("[128,128]", "[16,16]", "[16,16]"));
    assertThat(whole.widths()).isEmpty();
    assertThat(read("bert", widths("[9,1]", "[3,1]", "[5,16]")).widths(0).keySize()).isEqualTo(3);
  }

  private static String widths(String feedForward, String queryKey, String value) {
    return "\"block_widths\":{\"feed_forward\":%s,\"query_key\":%s,\"value\":%s}"
        .formatted(feedForward, queryKey, value);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "llama | [128]        | [16,16]    | [16,16] | 'feed_forward' should be an array of 2 whole",
        "llama | [128,128,9]  | [16,16]    | [16,16] | 'feed_forward' should be an array of 2 whole",
        "llama | [128,129]    | [16,16]    | [16,16] | whole numbers from 1 to 128",
        "llama | [128,0]      | [16,16]    | [16,16] | whole numbers from 1 to 128",
        "llama | [128,-1]     | [16,16]    | [16,16] | whole numbers from 1 to 128",
        "llama | [128,1.5]    | [16,16]    | [16,16] | whole numbers from 1 to 128",
        "llama | [128,\"1\"]  | [16,16]    | [16,16] | whole numbers from 1 to 128",
        "llama | 128          | [16,16]    | [16,16] | 'feed_forward' should be an array of 2 whole",
        "llama | null         | [16,16]    | [16,16] | 'feed_forward' should be an array of 2 whole",
        "llama | [128,9]      | [16,18]    | [16,16] | 'query_key' should be an array of 2 whole",
        "llama | [128,9]      | [16,4294967298] | [16,16] | whole numbers from 1 to 16",
        "llama | [128,9]      | [16,3]     | [16,16] | block 1 cannot be so narrow: a query or key",
        "llama | [128,9]      | [16,4]     | [17,16] | 'value' should be an array of 2 whole numbers",
        "llama | [128,9]      | [16,4]     | [16],\"keys\":[1,2] | 'keys' is no width of a block",
        "qwen3 | [128,9]      | [16,4]     | [16,16] | block 1 cannot be so narrow: a qwen3 has norms",
        "phi3  | [128,9]      | [16,16]    | [2,16]  | block 0 cannot be so narrow: a phi3 has one",
        "gpt_neox | [128,9]   | [4,16]     | [16,16] | block 0 cannot be so narrow: a gptneox has one"
      })
  void impossibleWidthsAreRefused(
      String type, String feedForward, String queryKey, String value, String message) {
    assertThatThrownBy(() -> read(type, widths(feedForward, queryKey, value)))
        .isInstanceOf(LatheException.class)
        .hasMessageStartingWith("config.json.block_widths: ")
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

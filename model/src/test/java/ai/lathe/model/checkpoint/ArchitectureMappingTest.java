package ai.lathe.model.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.format.FormatException;
import ai.lathe.model.Address;
import ai.lathe.model.ModelConfig.Rope.Scaling;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.DType;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every architecture's names, from files with exactly the names that transformers writes. */
class ArchitectureMappingTest {

  @TempDir Path folder;

  /** Names as in {@code state_dict()} of LlamaForCausalLM, 2 heads of 8 with one key-value head. */
  private static Map<String, long[]> llama(long keyValue, long queries) {
    var names = new LinkedHashMap<String, long[]>();
    names.put("model.embed_tokens.weight", new long[] {40, 16});
    for (int n = 0; n < 2; n++) {
      var layer = "model.layers." + n + ".";
      names.put(layer + "self_attn.q_proj.weight", new long[] {queries, 16});
      names.put(layer + "self_attn.k_proj.weight", new long[] {keyValue, 16});
      names.put(layer + "self_attn.v_proj.weight", new long[] {keyValue, 16});
      names.put(layer + "self_attn.o_proj.weight", new long[] {16, queries});
      names.put(layer + "mlp.gate_proj.weight", new long[] {24, 16});
      names.put(layer + "mlp.up_proj.weight", new long[] {24, 16});
      names.put(layer + "mlp.down_proj.weight", new long[] {16, 24});
      names.put(layer + "input_layernorm.weight", new long[] {16});
      names.put(layer + "post_attention_layernorm.weight", new long[] {16});
    }
    names.put("model.norm.weight", new long[] {16});
    return names;
  }

  @Test
  void llamaWithUntiedOutputAndLongContext() {
    var names = llama(8, 16);
    names.put("lm_head.weight", new long[] {40, 16});
    var config =
        Models.config(
            "llama",
            ", \"num_key_value_heads\": 1, \"rope_parameters\": {\"rope_type\": \"llama3\","
                + " \"rope_theta\": 500000.0, \"factor\": 32.0, \"low_freq_factor\": 1.0,"
                + " \"high_freq_factor\": 4.0, \"original_max_position_embeddings\": 8192},"
                + " \"eos_token_id\": [7, 8], \"bos_token_id\": 5");
    var source = roundTrips("llama", config, names, 21);
    assertThat(source.endToken()).hasValue(7);
    assertThat(source.rope().theta()).isEqualTo(500_000);
    assertThat(source.rope().scaling()).isEqualTo(new Scaling.Llama3(32, 1, 4, 8192));
  }

  @Test
  void mistralIsALlamaAndMayBeTied() {
    var config =
        Models.config("mistral", ", \"num_key_value_heads\": 1, \"tie_word_embeddings\": true");
    var read = roundTrips("mistral", config, llama(8, 16), 20);
    assertThat(read.tiedEmbeddings()).isTrue();
  }

  @Test
  void qwen2HasBiases() {
    var names = llama(8, 16);
    for (int n = 0; n < 2; n++) {
      names.put("model.layers." + n + ".self_attn.q_proj.bias", new long[] {16});
      names.put("model.layers." + n + ".self_attn.k_proj.bias", new long[] {8});
      names.put("model.layers." + n + ".self_attn.v_proj.bias", new long[] {8});
    }
    var config =
        Models.config(
            "qwen2",
            ", \"num_key_value_heads\": 1, \"tie_word_embeddings\": true,"
                + " \"use_sliding_window\": false, \"sliding_window\": 16");
    assertThat(roundTrips("qwen2", config, names, 26).window()).isEmpty();
    names.remove("model.layers.1.self_attn.k_proj.bias");
    var broken = Models.write(folder.resolve("broken"), config, names);
    assertThatThrownBy(() -> Checkpoints.open(broken))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("'model.layers.1.self_attn.k_proj.bias' is missing");
  }

  @Test
  void qwen3HasHeadNormsAndAHeadSizeOfItsOwn() {
    var names = llama(12, 24);
    for (int n = 0; n < 2; n++) {
      names.put("model.layers." + n + ".self_attn.q_norm.weight", new long[] {12});
      names.put("model.layers." + n + ".self_attn.k_norm.weight", new long[] {12});
    }
    var config =
        Models.config(
            "qwen3",
            ", \"num_key_value_heads\": 1, \"head_dim\": 12, \"tie_word_embeddings\": true");
    assertThat(roundTrips("qwen3", config, names, 24).headSize()).isEqualTo(12);
  }

  @Test
  void bertWithOrWithoutPrefixAndWithHeadsThatNobodyNeeds() {
    for (var prefix : new String[] {"", "bert."}) {
      var names = new LinkedHashMap<String, long[]>();
      names.put(prefix + "embeddings.word_embeddings.weight", new long[] {40, 16});
      names.put(prefix + "embeddings.position_embeddings.weight", new long[] {32, 16});
      names.put(prefix + "embeddings.token_type_embeddings.weight", new long[] {2, 16});
      names.put(prefix + "embeddings.LayerNorm.gamma", new long[] {16});
      names.put(prefix + "embeddings.LayerNorm.beta", new long[] {16});
      for (int n = 0; n < 2; n++) {
        var layer = prefix + "encoder.layer." + n + ".";
        linear(names, layer + "attention.self.query", 16, 16);
        linear(names, layer + "attention.self.key", 16, 16);
        linear(names, layer + "attention.self.value", 16, 16);
        linear(names, layer + "attention.output.dense", 16, 16);
        linear(names, layer + "intermediate.dense", 24, 16);
        linear(names, layer + "output.dense", 16, 24);
        norm(names, layer + "attention.output.LayerNorm");
        norm(names, layer + "output.LayerNorm");
      }
      linear(names, prefix + "pooler.dense", 16, 16);
      var config = Models.config("bert", ", \"hidden_act\": \"gelu\"");
      var read = roundTrips("bert" + prefix, config, names, 37);
      assertThat(read.rope()).isNull();
      assertThat(read.normEpsilon()).isEqualTo(1e-12);
      assertThat(read.tokenTypes()).isEqualTo(2);
    }
  }

  private static void linear(Map<String, long[]> names, String stem, long rows, long columns) {
    names.put(stem + ".weight", new long[] {rows, columns});
    names.put(stem + ".bias", new long[] {rows});
  }

  private static void norm(Map<String, long[]> names, String stem) {
    names.put(stem + ".weight", new long[] {16});
    names.put(stem + ".bias", new long[] {16});
  }

  /** Hugging Face to GGUF to Hugging Face: the same bits and the same numbers each time. */
  private ai.lathe.model.ModelConfig roundTrips(
      String name, String config, Map<String, long[]> names, int tensors) {
    var directory = Models.write(folder.resolve(name), config, names);
    var gguf = folder.resolve(name + ".gguf");
    var back = folder.resolve(name + "-back");
    try (var source = Checkpoints.open(directory)) {
      assertThat(source.addresses()).hasSize(tensors);
      assertThat(source.config().dtype()).isEqualTo(DType.F32);
      var plan = CheckpointWriters.gguf(gguf, source, Models.asStored(source));
      Models.copy(source, plan, Models.asStored(source));
      assertThat(Sizes.of(gguf)).isEqualTo(plan.bytes());
      try (var converted = Checkpoints.open(gguf)) {
        Models.assertSame(converted, source);
        assertThat(comparable(converted.config())).isEqualTo(comparable(source.config()));
        assertThat(converted.bytes()).isEqualTo(plan.bytes());
        var again = CheckpointWriters.huggingFace(back, converted, Models.asStored(converted));
        Models.copy(converted, again, Models.asStored(converted));
        assertThat(Models.bytesBelow(back)).isEqualTo(again.bytes());
      }
      try (var twice = Checkpoints.open(back)) {
        Models.assertSame(twice, source);
        assertThat(comparable(twice.config())).isEqualTo(comparable(source.config()));
        assertThat(twice.bytes()).isEqualTo(Models.bytesBelow(back));
      }
      return source.config();
    }
  }

  /** Without the free-form description, in which formats differ. */
  private static ai.lathe.model.ModelConfig comparable(ai.lathe.model.ModelConfig config) {
    return config.describedBy(null);
  }

  @Test
  void interleavesTheHalvesOfAHead() {
    // llama.cpp's order of a head of 6: 0 3 1 4 2 5.
    var order = new RowPermutation.Interleaved(6, true);
    assertThat(java.util.stream.IntStream.range(0, 12).map(order::source))
        .containsExactly(0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11);
    var back = new RowPermutation.Interleaved(6, false);
    for (int row = 0; row < 12; row++) {
      assertThat(order.source(back.source(row))).isEqualTo(row);
    }
  }

  @Test
  void contradictionsNameTensorAndBothShapes() {
    var names = llama(8, 16);
    names.put("model.layers.1.mlp.up_proj.weight", new long[] {20, 16});
    var config =
        Models.config("llama", ", \"num_key_value_heads\": 1, \"tie_word_embeddings\": true");
    var directory = Models.write(folder.resolve("bad"), config, names);
    assertThatThrownBy(() -> Checkpoints.open(directory))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining(
            "'model.layers.1.mlp.up_proj.weight' should have shape [24, 16] by the configuration,"
                + " but has [20, 16]");
  }

  @Test
  void tensorsOfAnotherArchitectureAreRefused() {
    var names = llama(8, 16);
    names.put("model.layers.0.self_attn.q_norm.weight", new long[] {8});
    var config =
        Models.config("llama", ", \"num_key_value_heads\": 1, \"tie_word_embeddings\": true");
    var directory = Models.write(folder.resolve("other"), config, names);
    assertThatThrownBy(() -> Checkpoints.open(directory))
        .hasMessageContaining(
            "'model.layers.0.self_attn.q_norm.weight' is none that a llama of 2 blocks has");
  }

  @Test
  void tiedOutputGivesTheEmbedding() {
    var config =
        Models.config("llama", ", \"num_key_value_heads\": 1, \"tie_word_embeddings\": true");
    try (var model = Checkpoints.open(Models.write(folder.resolve("t"), config, llama(8, 16)))) {
      var output = Address.weight(Role.OUTPUT);
      assertThat(model.addresses()).doesNotContain(output);
      assertThat(model.matrix(output).decode().values())
          .isEqualTo(model.matrix(Address.weight(Role.TOKEN_EMBEDDING)).decode().values());
    }
  }
}

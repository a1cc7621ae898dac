package ai.lathe.model.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.format.FormatException;
import ai.lathe.format.gguf.GgufFile;
import ai.lathe.format.safetensors.Safetensors;
import ai.lathe.model.Address;
import ai.lathe.model.BlockWidths;
import ai.lathe.model.ModelConfig.Experts;
import ai.lathe.model.ModelConfig.Rope.Scaling;
import ai.lathe.model.architecture.Architectures;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
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

  /** GGUF states a number for each block too. */
  @Test
  void feedForwardsOfDifferentWidths() {
    var names = llama(8, 16);
    names.put("model.layers.1.mlp.gate_proj.weight", new long[] {10, 16});
    names.put("model.layers.1.mlp.up_proj.weight", new long[] {10, 16});
    names.put("model.layers.1.mlp.down_proj.weight", new long[] {16, 10});
    var config =
        Models.config(
            "llama",
            ", \"num_key_value_heads\": 1, \"tie_word_embeddings\": true, \"block_widths\":"
                + " {\"feed_forward\": [24, 10], \"query_key\": [8, 8], \"value\": [8, 8]}");
    var read = roundTrips("narrow", config, names, 20);
    assertThat(read.widths(1)).isEqualTo(new BlockWidths(10, 8, 8));
    // llama.cpp opens no llama like that.
    try (var file = GgufFile.open(folder.resolve("narrow.gguf"))) {
      assertThat(file.metadata().string("general.architecture")).isEqualTo("deci");
      assertThat(file.metadata().integers("deci.feed_forward_length")).containsExactly(24, 10);
    }
    assertThat(read.weights(Architectures.forModelType("llama"), 1))
        .isEqualTo(2 * 16 * 16 + 2 * 8 * 16 + 3 * 10 * 16);
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

  /** Names as in {@code state_dict()} of MixtralForCausalLM and Qwen3MoeForCausalLM, 3 experts. */
  private static Map<String, long[]> mixture(String prefix, String[] parts) {
    var names = llama(8, 16);
    for (int n = 0; n < 2; n++) {
      var layer = "model.layers." + n + ".";
      names.keySet().removeIf(name -> name.startsWith(layer + "mlp."));
      names.put(layer + prefix + ".gate.weight", new long[] {3, 16});
      for (int e = 0; e < 3; e++) {
        var expert = layer + prefix + ".experts." + e + ".";
        names.put(expert + parts[0] + ".weight", new long[] {24, 16});
        names.put(expert + parts[1] + ".weight", new long[] {24, 16});
        names.put(expert + parts[2] + ".weight", new long[] {16, 24});
      }
    }
    return names;
  }

  private static final String[] MIXTRAL = {"w1", "w3", "w2"};
  private static final String[] QWEN = {"gate_proj", "up_proj", "down_proj"};

  private static String experts(String type, String more) {
    return Models.config(
        type,
        ", \"num_key_value_heads\": 1, \"tie_word_embeddings\": true,"
            + " \"num_local_experts\": 3, \"num_experts_per_tok\": 2"
            + more);
  }

  @Test
  void mixtralIsALlamaWithExpertsInGguf() {
    var names = mixture("block_sparse_moe", MIXTRAL);
    var read = roundTrips("mixtral", experts("mixtral", ""), names, 34);
    assertThat(read.experts()).contains(new Experts(3, 2, 24, true, Set.of()));
    try (var gguf = Checkpoints.open(folder.resolve("mixtral.gguf"))) {
      assertThat(gguf.architecture().name()).isEqualTo("mixtral");
    }
  }

  @Test
  void qwen3MoeHasExpertsOfTheirOwnWidth() {
    var names = qwen3Moe();
    var config =
        experts("qwen3_moe", ", \"moe_intermediate_size\": 24, \"norm_topk_prob\": true")
            .replace("\"intermediate_size\":24", "\"intermediate_size\":40");
    var read = roundTrips("qwen3moe", config, names, 38);
    assertThat(read.feedForward()).isEqualTo(40);
    assertThat(read.experts()).contains(new Experts(3, 2, 24, true, Set.of()));
  }

  private static Map<String, long[]> qwen3Moe() {
    var names = mixture("mlp", QWEN);
    for (int n = 0; n < 2; n++) {
      names.put("model.layers." + n + ".self_attn.q_norm.weight", new long[] {8});
      names.put("model.layers." + n + ".self_attn.k_norm.weight", new long[] {8});
    }
    return names;
  }

  @Test
  void whatAGgufOfExpertsCannotSayIsRefused() {
    var config = experts("qwen3_moe", ", \"moe_intermediate_size\": 24");
    var names = qwen3Moe();
    assertThatThrownBy(() -> roundTrips("unnormalized", config, names, 38))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("(norm_topk_prob); it can be written as a directory only");
    names.keySet().removeIf(name -> name.startsWith("model.layers.0.mlp."));
    names.put("model.layers.0.mlp.gate_proj.weight", new long[] {24, 16});
    names.put("model.layers.0.mlp.up_proj.weight", new long[] {24, 16});
    names.put("model.layers.0.mlp.down_proj.weight", new long[] {16, 24});
    var mixed =
        experts(
            "qwen3_moe",
            ", \"moe_intermediate_size\": 24, \"norm_topk_prob\": true, \"mlp_only_layers\": [0]");
    assertThatThrownBy(() -> roundTrips("mixed", mixed, names, 31))
        .hasMessageContaining("this model has none in block 0");
    var directory = Models.write(folder.resolve("absent"), mixed, qwen3Moe());
    assertThatThrownBy(() -> Checkpoints.open(directory))
        .hasMessageContaining("'model.layers.0.mlp.gate_proj.weight' is missing");
  }

  /** As transformers 5 saves it without going back to the original names. */
  @Test
  void expertsOfABlockMayStandInOneTensor() {
    var apart =
        Models.write(
            folder.resolve("apart"), experts("mixtral", ""), mixture("block_sparse_moe", MIXTRAL));
    try (var expected = Checkpoints.open(apart)) {
      var stacked = Models.stack(folder.resolve("stacked"), expected);
      try (var actual = Checkpoints.open(stacked)) {
        Models.assertSame(actual, expected);
        var back = folder.resolve("back");
        var plan = CheckpointWriters.huggingFace(back, actual, Models.asStored(actual));
        Models.copy(actual, plan, Models.asStored(actual));
        try (var again = Checkpoints.open(back)) {
          Models.assertSame(again, expected);
        }
      }
    }
  }

  @Test
  void moreExpertsThanTheTensorsHoldAreRefused() throws IOException {
    var three = experts("mixtral", "");
    var names = mixture("block_sparse_moe", MIXTRAL);
    var four = three.replace("\"num_local_experts\":3", "\"num_local_experts\":4");
    var directory = Models.write(folder.resolve("four"), four, names);
    assertThatThrownBy(() -> Checkpoints.open(directory))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("block_sparse_moe.experts.3.w1.weight' is missing");
    try (var apart = Checkpoints.open(Models.write(folder.resolve("3"), three, names))) {
      var stacked = Models.stack(folder.resolve("stacked"), apart);
      Files.writeString(stacked.resolve("config.json"), four);
      assertThatThrownBy(() -> Checkpoints.open(stacked))
          .isInstanceOf(FormatException.class)
          .hasMessageContaining(
              "'model.layers.0.mlp.experts.gate_up_proj' should have shape [4, 48, 16] by the"
                  + " configuration, but has [3, 48, 16]");
    }
    var many = three.replace("\"num_experts_per_tok\":2", "\"num_experts_per_tok\":4");
    assertThatThrownBy(() -> Checkpoints.open(Models.write(folder.resolve("many"), many, names)))
        .hasMessageContaining("'num_experts_per_tok' should be a whole number from 1 to 3, not 4");
  }

  @Test
  void bertWithOrWithoutPrefixAndWithHeadsThatNobodyNeeds() {
    for (var prefix : new String[] {"", "bert."}) {
      var names = bert(prefix);
      linear(names, prefix + "pooler.dense", 16, 16);
      var config = Models.config("bert", ", \"hidden_act\": \"gelu\"");
      var read = roundTrips("bert" + prefix, config, names, 37);
      assertThat(read.rope()).isNull();
      assertThat(read.normEpsilon()).isEqualTo(1e-12);
      assertThat(read.tokenTypes()).isEqualTo(2);
      assertThat(read.tiedEmbeddings()).isFalse();
    }
  }

  /** As Hugging Face's files have it, and as some have it besides. */
  @Test
  void bertWithItsHeadForMaskedTokens() throws IOException {
    var names = bert("bert.");
    linear(names, "bert.pooler.dense", 16, 16);
    linear(names, "cls.seq_relationship", 2, 16);
    linear(names, "cls.predictions.transform.dense", 16, 16);
    norm(names, "cls.predictions.transform.LayerNorm");
    names.put("cls.predictions.bias", new long[] {40});
    names.put("cls.predictions.decoder.weight", new long[] {40, 16});
    names.put("cls.predictions.decoder.bias", new long[] {40});
    var head = List.of(Role.HEAD_TRANSFORM, Role.HEAD_NORM, Role.OUTPUT);
    for (boolean tied : new boolean[] {true, false}) {
      var config =
          Models.config("bert", ", \"hidden_act\": \"gelu\", \"tie_word_embeddings\": " + tied);
      var folderOf = folder.resolve("masked" + tied);
      var back = folder.resolve("back" + tied);
      try (var source = Checkpoints.open(Models.write(folderOf, config, names))) {
        assertThat(source.addresses()).hasSize(tied ? 42 : 43);
        assertThat(source.architecture().has(Role.OUTPUT)).isTrue();
        assertThat(source.config().tiedEmbeddings()).isEqualTo(tied);
        assertThat(source.addresses().reversed().stream().limit(tied ? 5 : 6))
            .allMatch(address -> head.contains(address.role()));
        assertThat(source.matrix(Address.weight(Role.OUTPUT)).rows()).isEqualTo(40);
        var plan = CheckpointWriters.huggingFace(back, source, Models.asStored(source));
        Models.copy(source, plan, Models.asStored(source));
        try (var again = Checkpoints.open(back)) {
          Models.assertSame(again, source);
          assertThat(again.config().tiedEmbeddings()).isEqualTo(tied);
        }
      }
      var written = new TreeSet<String>();
      try (var file = Safetensors.open(back)) {
        written.addAll(file.names());
      }
      assertThat(written)
          .contains("cls.predictions.bias", "bert.embeddings.word_embeddings.weight")
          .doesNotContain("cls.predictions.decoder.bias", "cls.seq_relationship.weight");
      assertThat(written.contains("cls.predictions.decoder.weight")).isNotEqualTo(tied);
      assertThat(Files.readString(back.resolve("config.json"))).contains("BertForMaskedLM");
    }
    names.remove("cls.predictions.bias");
    var config = Models.config("bert", ", \"hidden_act\": \"gelu\"");
    try (var other = Checkpoints.open(Models.write(folder.resolve("other"), config, names))) {
      assertThat(other.vector(Address.weight(Role.OUTPUT).bias())).isPresent();
    }
    names.remove("cls.predictions.decoder.bias");
    var broken = Models.write(folder.resolve("broken"), config, names);
    assertThatThrownBy(() -> Checkpoints.open(broken))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("'cls.predictions.bias' is missing");
  }

  private static Map<String, long[]> bert(String prefix) {
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
    return names;
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

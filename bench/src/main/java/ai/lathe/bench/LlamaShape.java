package ai.lathe.bench;

import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Architecture.Activation;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/** The dimensions of a Llama, and its configuration. */
record LlamaShape(
    int hidden,
    int feedForward,
    int blocks,
    int heads,
    int keyValueHeads,
    int vocabulary,
    int context) {

  /** TinyLlama 1.1B. */
  static final LlamaShape TINY_LLAMA = new LlamaShape(2048, 5632, 22, 32, 4, 32_000, 2048);

  private static final Map<String, LlamaShape> NAMED =
      Map.of(
          "1.1b",
          TINY_LLAMA,
          "492m", // what kernels are measured on
          new LlamaShape(2048, 5632, 8, 32, 8, 32_000, 2048),
          "135m",
          new LlamaShape(576, 1536, 30, 9, 3, 49_152, 2048),
          "tiny",
          new LlamaShape(256, 512, 2, 8, 4, 1024, 256));

  static LlamaShape named(String name) {
    var shape = NAMED.get(name);
    if (shape == null) {
      throw LatheException.unknown("size", name, NAMED.keySet().stream().sorted().toList());
    }
    return shape;
  }

  int headSize() {
    return hidden / heads;
  }

  /** {@code config.json}. */
  ObjectNode json() {
    var json = JsonNodeFactory.instance.objectNode();
    json.putArray("architectures").add("LlamaForCausalLM");
    return json.put("model_type", "llama")
        .put("hidden_size", hidden)
        .put("intermediate_size", feedForward)
        .put("num_hidden_layers", blocks)
        .put("num_attention_heads", heads)
        .put("num_key_value_heads", keyValueHeads)
        .put("head_dim", headSize())
        .put("vocab_size", vocabulary)
        .put("max_position_embeddings", context)
        .put("rms_norm_eps", 1e-5)
        .put("rope_theta", 10000.0)
        .put("hidden_act", "silu")
        .put("tie_word_embeddings", false)
        .put("bos_token_id", 0)
        .put("eos_token_id", 1)
        .put("torch_dtype", "bfloat16");
  }

  ModelConfig config() {
    return new ModelConfig(
        hidden,
        blocks,
        heads,
        keyValueHeads,
        headSize(),
        feedForward,
        Optional.empty(),
        vocabulary,
        context,
        1e-5,
        new ModelConfig.Rope(10000.0, headSize(), new ModelConfig.Rope.Scaling.None()),
        false,
        0,
        Optional.empty(),
        ModelConfig.Arithmetic.plain(Activation.SILU, headSize()),
        DType.BF16,
        OptionalInt.of(0),
        OptionalInt.of(1),
        json(),
        List.of());
  }
}

package ai.lathe.model.architecture;

import static ai.lathe.model.architecture.Architecture.Activation.GELU;
import static ai.lathe.model.architecture.Architecture.Activation.GELU_TANH;
import static ai.lathe.model.architecture.Architecture.NormKind.LAYER;
import static ai.lathe.model.architecture.Architecture.NormOrder.PARALLEL;
import static ai.lathe.model.architecture.Architecture.NormOrder.PRE;
import static ai.lathe.model.architecture.Parameter.Trait.GROUPED_BY_HEAD;
import static ai.lathe.model.architecture.Parameter.Trait.UNBIASED;
import static ai.lathe.model.architecture.Parameter.Trait.alias;
import static ai.lathe.model.architecture.Parameter.Trait.tiedTo;
import static ai.lathe.model.architecture.Role.*;
import static ai.lathe.model.architecture.Width.*;

import ai.lathe.model.architecture.Architecture.NormOrder;

/**
 * GPT-NeoX (arXiv 2204.06745) and Pythia: LayerNorm, one matrix for query, key and value of each
 * head in turn, rotary positions on a part of each head, a bias on every layer; attention and
 * feed-forward side by side, or in some models one after the other.
 */
final class GptNeoX {

  static final Architecture GPT_NEOX = described(true, PARALLEL);
  static final Architecture SEQUENTIAL = described(false, PRE);

  private static Architecture described(boolean parallel, NormOrder order) {
    return Architecture.decoder("gptneox")
        .modelTypes("gpt_neox")
        .classes("GPTNeoXForCausalLM", "GPTNeoXModel")
        .prefixes("gpt_neox.", "")
        .ignores(".attention.bias", ".attention.masked_bias", "rotary_emb.inv_freq")
        .dialect(
            Dialect.LLAMA
                .calls("rope_theta", "rotary_emb_base")
                .calls("partial_rotary_factor", "rotary_pct")
                .otherwise("rotary_pct", 0.25)
                .otherwise("layer_norm_eps", 1e-5)
                .alsoReads("partial_rotary_factor")
                .requires("attention_bias", "true"))
        .variant("use_parallel_residual", "use_parallel_residual", parallel, true)
        .llamaCpp(new LlamaCpp(false, 0, GELU_TANH, false, true, null))
        .norms(LAYER, order)
        .activation(GELU)
        .biased()
        .embedding(TOKEN_EMBEDDING, "embed_in", "token_embd", VOCABULARY)
        .blocks("layers.{n}", "blk.{n}")
        .norm(ATTENTION_NORM, "input_layernorm", "attn_norm")
        .linear(
            Role.QUERY_KEY_VALUE,
            "attention.query_key_value",
            "attn_qkv",
            ATTENTION_NORM,
            Width.QUERY_KEY_VALUE,
            GROUPED_BY_HEAD)
        .linear(ATTENTION_OUTPUT, "attention.dense", "attn_output", Role.QUERY_KEY_VALUE, HIDDEN)
        .norm(FEED_FORWARD_NORM, "post_attention_layernorm", "ffn_norm")
        .linear(UP, "mlp.dense_h_to_4h", "ffn_up", FEED_FORWARD_NORM, FEED_FORWARD)
        .linear(DOWN, "mlp.dense_4h_to_h", "ffn_down", UP, HIDDEN)
        .end()
        .norm(OUTPUT_NORM, "final_layer_norm", "output_norm")
        .linear(
            OUTPUT,
            "embed_out",
            "output",
            OUTPUT_NORM,
            VOCABULARY,
            UNBIASED,
            alias("lm_head"),
            tiedTo(TOKEN_EMBEDDING))
        .build();
  }

  private GptNeoX() {}
}

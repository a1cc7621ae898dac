package ai.lathe.model.architecture;

import static ai.lathe.model.architecture.Architecture.Activation.GELU_TANH;
import static ai.lathe.model.architecture.Architecture.NormKind.RMS;
import static ai.lathe.model.architecture.Architecture.NormOrder.SANDWICH;
import static ai.lathe.model.architecture.Parameter.Trait.tiedTo;
import static ai.lathe.model.architecture.Role.*;
import static ai.lathe.model.architecture.Width.*;

/**
 * Gemma 2 (arXiv 2408.00118): norms before and after each layer, a sliding window in every other
 * block, capped attention scores and logits, a gated GELU feed-forward, scaled embeddings.
 */
final class Gemma2 {

  /** What both generations' config.json has in common. */
  static final Dialect DIALECT =
      Dialect.LLAMA
          .calls("hidden_act", "hidden_activation")
          .otherwise("num_attention_heads", 8)
          .otherwise("num_key_value_heads", 4)
          .otherwise("head_dim", 256)
          .otherwise("query_pre_attn_scalar", 256)
          .otherwise("sliding_window", 4096)
          .otherwise("tie_word_embeddings", true)
          .alsoReads("query_pre_attn_scalar", "attn_logit_softcapping", "final_logit_softcapping")
          .biased("attention_bias", QUERY, KEY, VALUE, ATTENTION_OUTPUT);

  static final Architecture GEMMA2 =
      Architecture.decoder("gemma2")
          .modelTypes("gemma2")
          .classes("Gemma2ForCausalLM")
          .ignores("rotary_emb.inv_freq")
          .dialect(
              DIALECT
                  .otherwise("attn_logit_softcapping", 50.0)
                  .otherwise("final_logit_softcapping", 30.0)
                  .otherwise("max_position_embeddings", 8192))
          .llamaCpp(new LlamaCpp(true, 46, GELU_TANH, true, false, null))
          .norms(RMS, SANDWICH)
          .normOffset(1)
          .activation(GELU_TANH)
          .scaledEmbedding()
          .fullEvery(2)
          .embedding(TOKEN_EMBEDDING, "model.embed_tokens", "token_embd", VOCABULARY)
          .blocks("model.layers.{n}", "blk.{n}")
          .norm(ATTENTION_NORM, "input_layernorm", "attn_norm")
          .linear(QUERY, "self_attn.q_proj", "attn_q", ATTENTION_NORM, QUERY_HEADS)
          .linear(KEY, "self_attn.k_proj", "attn_k", ATTENTION_NORM, KEY_HEADS)
          .linear(VALUE, "self_attn.v_proj", "attn_v", ATTENTION_NORM, VALUE_HEADS)
          .rotaryPairs("self_attn.rotary_pairs")
          .linear(ATTENTION_OUTPUT, "self_attn.o_proj", "attn_output", VALUE, HIDDEN)
          .norm(ATTENTION_OUTPUT_NORM, "post_attention_layernorm", "post_attention_norm")
          .norm(FEED_FORWARD_NORM, "pre_feedforward_layernorm", "ffn_norm")
          .linear(GATE, "mlp.gate_proj", "ffn_gate", FEED_FORWARD_NORM, FEED_FORWARD)
          .linear(UP, "mlp.up_proj", "ffn_up", FEED_FORWARD_NORM, FEED_FORWARD)
          .linear(DOWN, "mlp.down_proj", "ffn_down", UP, HIDDEN)
          .norm(FEED_FORWARD_OUTPUT_NORM, "post_feedforward_layernorm", "post_ffw_norm")
          .end()
          .norm(OUTPUT_NORM, "model.norm", "output_norm")
          .linear(OUTPUT, "lm_head", "output", OUTPUT_NORM, VOCABULARY, tiedTo(TOKEN_EMBEDDING))
          .build();

  private Gemma2() {}
}

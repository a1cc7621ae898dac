package ai.lathe.model.architecture;

import static ai.lathe.model.architecture.Architecture.Activation.SILU;
import static ai.lathe.model.architecture.Architecture.NormKind.RMS;
import static ai.lathe.model.architecture.Architecture.NormOrder.PRE;
import static ai.lathe.model.architecture.Parameter.Trait.INTERLEAVED;
import static ai.lathe.model.architecture.Parameter.Trait.tiedTo;
import static ai.lathe.model.architecture.Role.*;
import static ai.lathe.model.architecture.Width.*;

/**
 * Llama 2 and 3, Mistral, SmolLM2, TinyLlama: pre-norm decoder with RMSNorm, rotary positions,
 * grouped-query attention and a gated SiLU feed-forward.
 */
final class Llama {

  static final Architecture LLAMA =
      Architecture.decoder("llama")
          .modelTypes("llama", "mistral")
          .classes("LlamaForCausalLM", "MistralForCausalLM")
          .ignores("rotary_emb.inv_freq")
          .norms(RMS, PRE)
          .activation(SILU)
          .llamaCpp(LlamaCpp.plain(SILU).blockwise("deci"))
          .dialect(
              Dialect.LLAMA
                  .biased("attention_bias", QUERY, KEY, VALUE, ATTENTION_OUTPUT)
                  .biased("mlp_bias", GATE, UP, DOWN))
          .embedding(TOKEN_EMBEDDING, "model.embed_tokens", "token_embd", VOCABULARY)
          .blocks("model.layers.{n}", "blk.{n}")
          .norm(ATTENTION_NORM, "input_layernorm", "attn_norm")
          .linear(QUERY, "self_attn.q_proj", "attn_q", ATTENTION_NORM, QUERY_HEADS, INTERLEAVED)
          .linear(KEY, "self_attn.k_proj", "attn_k", ATTENTION_NORM, KEY_HEADS, INTERLEAVED)
          .linear(VALUE, "self_attn.v_proj", "attn_v", ATTENTION_NORM, VALUE_HEADS)
          .rotaryPairs("self_attn.rotary_pairs")
          .linear(ATTENTION_OUTPUT, "self_attn.o_proj", "attn_output", VALUE, HIDDEN)
          .norm(FEED_FORWARD_NORM, "post_attention_layernorm", "ffn_norm")
          .linear(GATE, "mlp.gate_proj", "ffn_gate", FEED_FORWARD_NORM, FEED_FORWARD)
          .linear(UP, "mlp.up_proj", "ffn_up", FEED_FORWARD_NORM, FEED_FORWARD)
          .linear(DOWN, "mlp.down_proj", "ffn_down", UP, HIDDEN)
          .end()
          .norm(OUTPUT_NORM, "model.norm", "output_norm")
          .linear(OUTPUT, "lm_head", "output", OUTPUT_NORM, VOCABULARY, tiedTo(TOKEN_EMBEDDING))
          .build();

  private Llama() {}
}

package ai.lathe.model.architecture;

import static ai.lathe.model.architecture.Architecture.Activation.SILU;
import static ai.lathe.model.architecture.Architecture.NormKind.RMS;
import static ai.lathe.model.architecture.Architecture.NormOrder.PRE;
import static ai.lathe.model.architecture.Parameter.Trait.tiedTo;
import static ai.lathe.model.architecture.Role.*;
import static ai.lathe.model.architecture.Width.*;

/** Qwen 3, dense: Llama's block with an RMSNorm on each head's query and key before rotation. */
final class Qwen3 {

  static final Architecture QWEN3 =
      Architecture.decoder("qwen3")
          .modelTypes("qwen3")
          .classes("Qwen3ForCausalLM")
          .ignores("rotary_emb.inv_freq")
          .norms(RMS, PRE)
          .activation(SILU)
          .dialect(Dialect.LLAMA.biased("attention_bias", QUERY, KEY, VALUE, ATTENTION_OUTPUT))
          .embedding(TOKEN_EMBEDDING, "model.embed_tokens", "token_embd", VOCABULARY)
          .blocks("model.layers.{n}", "blk.{n}")
          .norm(ATTENTION_NORM, "input_layernorm", "attn_norm")
          .linear(QUERY, "self_attn.q_proj", "attn_q", ATTENTION_NORM, QUERY_HEADS)
          .linear(KEY, "self_attn.k_proj", "attn_k", ATTENTION_NORM, KEY_HEADS)
          .linear(VALUE, "self_attn.v_proj", "attn_v", ATTENTION_NORM, VALUE_HEADS)
          .norm(QUERY_NORM, "self_attn.q_norm", "attn_q_norm", HEAD)
          .norm(KEY_NORM, "self_attn.k_norm", "attn_k_norm", HEAD)
          .linear(ATTENTION_OUTPUT, "self_attn.o_proj", "attn_output", VALUE, HIDDEN)
          .norm(FEED_FORWARD_NORM, "post_attention_layernorm", "ffn_norm")
          .linear(GATE, "mlp.gate_proj", "ffn_gate", FEED_FORWARD_NORM, FEED_FORWARD)
          .linear(UP, "mlp.up_proj", "ffn_up", FEED_FORWARD_NORM, FEED_FORWARD)
          .linear(DOWN, "mlp.down_proj", "ffn_down", UP, HIDDEN)
          .end()
          .norm(OUTPUT_NORM, "model.norm", "output_norm")
          .linear(OUTPUT, "lm_head", "output", OUTPUT_NORM, VOCABULARY, tiedTo(TOKEN_EMBEDDING))
          .build();

  private Qwen3() {}
}

package ai.lathe.model.architecture;

import static ai.lathe.model.architecture.Architecture.Activation.GELU_TANH;
import static ai.lathe.model.architecture.Architecture.NormKind.RMS;
import static ai.lathe.model.architecture.Architecture.NormOrder.SANDWICH;
import static ai.lathe.model.architecture.Parameter.Trait.tiedTo;
import static ai.lathe.model.architecture.Role.*;
import static ai.lathe.model.architecture.Width.*;

/**
 * Gemma 3 (arXiv 2503.19786), its text model: Gemma 2's block with norms on queries and keys
 * instead of caps, and five blocks with a window, and rotary positions of their own, to one
 * without.
 */
final class Gemma3 {

  static final Architecture GEMMA3 =
      Architecture.decoder("gemma3")
          .modelTypes("gemma3_text", "gemma3")
          .classes("Gemma3ForCausalLM", "Gemma3ForConditionalGeneration")
          .prefixes("", "language_model.")
          .ignores("rotary_emb.inv_freq", "vision_tower.", "multi_modal_projector.")
          .dialect(
              Gemma2.DIALECT
                  .otherwise("vocab_size", 262_208)
                  .otherwise("max_position_embeddings", 131_072)
                  .otherwise("rope_theta", 1_000_000.0)
                  .alsoReads("rope_local_base_freq", "sliding_window_pattern")
                  .nestedIn("text_config"))
          .llamaCpp(new LlamaCpp(true, 62, GELU_TANH, false, false, null))
          .norms(RMS, SANDWICH)
          .normOffset(1)
          .activation(GELU_TANH)
          .scaledEmbedding()
          .fullEvery(6)
          .windowTheta(10_000)
          .embedding(TOKEN_EMBEDDING, "model.embed_tokens", "token_embd", VOCABULARY)
          .blocks("model.layers.{n}", "blk.{n}")
          .norm(ATTENTION_NORM, "input_layernorm", "attn_norm")
          .linear(QUERY, "self_attn.q_proj", "attn_q", ATTENTION_NORM, QUERY_HEADS)
          .linear(KEY, "self_attn.k_proj", "attn_k", ATTENTION_NORM, KEY_HEADS)
          .linear(VALUE, "self_attn.v_proj", "attn_v", ATTENTION_NORM, VALUE_HEADS)
          .norm(QUERY_NORM, "self_attn.q_norm", "attn_q_norm", HEAD)
          .norm(KEY_NORM, "self_attn.k_norm", "attn_k_norm", HEAD)
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

  private Gemma3() {}
}

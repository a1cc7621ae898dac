package ai.lathe.model.architecture;

import static ai.lathe.model.architecture.Parameter.RowOrder.INTERLEAVED;
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
          .huggingFace("LlamaForCausalLM", "MistralForCausalLM")
          .embedding(TOKEN_EMBEDDING, "model.embed_tokens", "token_embd", VOCABULARY)
          .blocks(
              "model.layers.{n}",
              "blk.{n}",
              block ->
                  block
                      .norm(ATTENTION_NORM, "input_layernorm", "attn_norm")
                      .linear(QUERY, "self_attn.q_proj", "attn_q")
                      .reads(ATTENTION_NORM, HIDDEN)
                      .ggufRows(INTERLEAVED)
                      .to(QUERY_HEADS)
                      .linear(KEY, "self_attn.k_proj", "attn_k")
                      .reads(ATTENTION_NORM, HIDDEN)
                      .ggufRows(INTERLEAVED)
                      .to(KEY_VALUE_HEADS)
                      .linear(VALUE, "self_attn.v_proj", "attn_v")
                      .reads(ATTENTION_NORM, HIDDEN)
                      .to(KEY_VALUE_HEADS)
                      .linear(ATTENTION_OUTPUT, "self_attn.o_proj", "attn_output")
                      .reads(VALUE, QUERY_HEADS)
                      .to(HIDDEN)
                      .norm(FEED_FORWARD_NORM, "post_attention_layernorm", "ffn_norm")
                      .linear(GATE, "mlp.gate_proj", "ffn_gate")
                      .reads(FEED_FORWARD_NORM, HIDDEN)
                      .to(FEED_FORWARD)
                      .linear(UP, "mlp.up_proj", "ffn_up")
                      .reads(FEED_FORWARD_NORM, HIDDEN)
                      .to(FEED_FORWARD)
                      .linear(DOWN, "mlp.down_proj", "ffn_down")
                      .reads(UP, FEED_FORWARD)
                      .to(HIDDEN))
          .outerNorm(OUTPUT_NORM, "model.norm", "output_norm")
          .output("lm_head", "output")
          .build();

  private Llama() {}
}

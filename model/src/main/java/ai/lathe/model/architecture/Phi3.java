package ai.lathe.model.architecture;

import static ai.lathe.model.architecture.Architecture.Activation.SILU;
import static ai.lathe.model.architecture.Architecture.NormKind.RMS;
import static ai.lathe.model.architecture.Architecture.NormOrder.PRE;
import static ai.lathe.model.architecture.Parameter.Trait.tiedTo;
import static ai.lathe.model.architecture.Role.*;
import static ai.lathe.model.architecture.Width.*;

/**
 * Phi 3 and 3.5 (arXiv 2404.14219), Phi 4: Llama's block with one matrix for query, key and value,
 * one for gate and up, and rotary positions that may turn a part of each head, stretched by
 * LongRoPE.
 */
final class Phi3 {

  static final Architecture PHI3 =
      Architecture.decoder("phi3")
          .modelTypes("phi3")
          .classes("Phi3ForCausalLM")
          .ignores("rotary_emb.inv_freq")
          .dialect(Dialect.LLAMA.otherwise("rms_norm_eps", 1e-5).alsoReads("partial_rotary_factor"))
          .norms(RMS, PRE)
          .activation(SILU)
          .embedding(TOKEN_EMBEDDING, "model.embed_tokens", "token_embd", VOCABULARY)
          .blocks("model.layers.{n}", "blk.{n}")
          .norm(ATTENTION_NORM, "input_layernorm", "attn_norm")
          .linear(
              Role.QUERY_KEY_VALUE,
              "self_attn.qkv_proj",
              "attn_qkv",
              ATTENTION_NORM,
              Width.QUERY_KEY_VALUE)
          .linear(ATTENTION_OUTPUT, "self_attn.o_proj", "attn_output", Role.QUERY_KEY_VALUE, HIDDEN)
          .norm(FEED_FORWARD_NORM, "post_attention_layernorm", "ffn_norm")
          .linear(GATE_UP, "mlp.gate_up_proj", "ffn_up", FEED_FORWARD_NORM, GATE_AND_UP)
          .linear(DOWN, "mlp.down_proj", "ffn_down", GATE_UP, HIDDEN)
          .end()
          .norm(OUTPUT_NORM, "model.norm", "output_norm")
          .linear(OUTPUT, "lm_head", "output", OUTPUT_NORM, VOCABULARY, tiedTo(TOKEN_EMBEDDING))
          .build();

  private Phi3() {}
}

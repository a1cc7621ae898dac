package ai.lathe.model.architecture;

import static ai.lathe.model.architecture.Architecture.Activation.SILU;
import static ai.lathe.model.architecture.Architecture.NormKind.RMS;
import static ai.lathe.model.architecture.Architecture.NormOrder.PRE;
import static ai.lathe.model.architecture.Architecture.Routing.NORMALIZED;
import static ai.lathe.model.architecture.Parameter.Trait.INTERLEAVED;
import static ai.lathe.model.architecture.Parameter.Trait.alias;
import static ai.lathe.model.architecture.Parameter.Trait.stacked;
import static ai.lathe.model.architecture.Parameter.Trait.tiedTo;
import static ai.lathe.model.architecture.Role.*;
import static ai.lathe.model.architecture.Width.*;

/**
 * Mixtral: Llama's block with a mixture of experts for its feed-forward. In GGUF it is a {@code
 * llama} that has experts.
 */
final class Mixtral {

  static final Architecture MIXTRAL =
      Architecture.decoder("mixtral")
          .ggufName("llama")
          .modelTypes("mixtral")
          .classes("MixtralForCausalLM")
          .ignores("rotary_emb.inv_freq")
          .norms(RMS, PRE)
          .activation(SILU)
          .routing(NORMALIZED)
          .embedding(TOKEN_EMBEDDING, "model.embed_tokens", "token_embd", VOCABULARY)
          .blocks("model.layers.{n}", "blk.{n}")
          .norm(ATTENTION_NORM, "input_layernorm", "attn_norm")
          .linear(QUERY, "self_attn.q_proj", "attn_q", ATTENTION_NORM, QUERY_HEADS, INTERLEAVED)
          .linear(KEY, "self_attn.k_proj", "attn_k", ATTENTION_NORM, KEY_HEADS, INTERLEAVED)
          .linear(VALUE, "self_attn.v_proj", "attn_v", ATTENTION_NORM, VALUE_HEADS)
          .rotaryPairs("self_attn.rotary_pairs")
          .linear(ATTENTION_OUTPUT, "self_attn.o_proj", "attn_output", VALUE, HIDDEN)
          .norm(FEED_FORWARD_NORM, "post_attention_layernorm", "ffn_norm")
          .linear(
              ROUTER,
              "block_sparse_moe.gate",
              "ffn_gate_inp",
              FEED_FORWARD_NORM,
              EXPERTS,
              alias("mlp.gate"))
          .linear(
              EXPERT_GATE,
              "block_sparse_moe.experts.{e}.w1",
              "ffn_gate_exps",
              FEED_FORWARD_NORM,
              EXPERT_FEED_FORWARD,
              stacked("mlp.experts.gate_up_proj", 0, 2))
          .linear(
              EXPERT_UP,
              "block_sparse_moe.experts.{e}.w3",
              "ffn_up_exps",
              FEED_FORWARD_NORM,
              EXPERT_FEED_FORWARD,
              stacked("mlp.experts.gate_up_proj", 1, 2))
          .linear(
              EXPERT_DOWN,
              "block_sparse_moe.experts.{e}.w2",
              "ffn_down_exps",
              EXPERT_UP,
              HIDDEN,
              stacked("mlp.experts.down_proj", 0, 1))
          .end()
          .norm(OUTPUT_NORM, "model.norm", "output_norm")
          .linear(OUTPUT, "lm_head", "output", OUTPUT_NORM, VOCABULARY, tiedTo(TOKEN_EMBEDDING))
          .build();

  private Mixtral() {}
}

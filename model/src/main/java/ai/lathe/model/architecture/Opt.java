package ai.lathe.model.architecture;

import static ai.lathe.model.architecture.Architecture.Activation.RELU;
import static ai.lathe.model.architecture.Architecture.NormKind.LAYER;
import static ai.lathe.model.architecture.Architecture.NormOrder.POST;
import static ai.lathe.model.architecture.Architecture.NormOrder.PRE;
import static ai.lathe.model.architecture.Parameter.Trait.UNBIASED;
import static ai.lathe.model.architecture.Parameter.Trait.tiedTo;
import static ai.lathe.model.architecture.Role.*;
import static ai.lathe.model.architecture.Width.*;

/**
 * OPT (arXiv 2205.01068): LayerNorm, learned positions behind two rows of padding, ReLU, a bias on
 * every layer; the norms before each layer, or after it in the 350M model, which has none at the
 * end.
 */
final class Opt {

  static final Architecture OPT =
      begun(true)
          .norms(LAYER, PRE)
          .blocks("layers.{n}", null)
          .norm(ATTENTION_NORM, "self_attn_layer_norm", null)
          .linear(QUERY, "self_attn.q_proj", null, ATTENTION_NORM, QUERY_HEADS)
          .linear(KEY, "self_attn.k_proj", null, ATTENTION_NORM, KEY_HEADS)
          .linear(VALUE, "self_attn.v_proj", null, ATTENTION_NORM, VALUE_HEADS)
          .linear(ATTENTION_OUTPUT, "self_attn.out_proj", null, VALUE, HIDDEN)
          .norm(FEED_FORWARD_NORM, "final_layer_norm", null)
          .linear(UP, "fc1", null, FEED_FORWARD_NORM, FEED_FORWARD)
          .linear(DOWN, "fc2", null, UP, HIDDEN)
          .end()
          .norm(OUTPUT_NORM, "final_layer_norm", null)
          .linear(
              OUTPUT, "lm_head", null, OUTPUT_NORM, VOCABULARY, UNBIASED, tiedTo(TOKEN_EMBEDDING))
          .build();

  static final Architecture POST_NORM =
      begun(false)
          .norms(LAYER, POST)
          .blocks("layers.{n}", null)
          .linear(QUERY, "self_attn.q_proj", null, FEED_FORWARD_OUTPUT_NORM, QUERY_HEADS)
          .linear(KEY, "self_attn.k_proj", null, FEED_FORWARD_OUTPUT_NORM, KEY_HEADS)
          .linear(VALUE, "self_attn.v_proj", null, FEED_FORWARD_OUTPUT_NORM, VALUE_HEADS)
          .linear(ATTENTION_OUTPUT, "self_attn.out_proj", null, VALUE, HIDDEN)
          .norm(ATTENTION_OUTPUT_NORM, "self_attn_layer_norm", null)
          .linear(UP, "fc1", null, ATTENTION_OUTPUT_NORM, FEED_FORWARD)
          .linear(DOWN, "fc2", null, UP, HIDDEN)
          .norm(FEED_FORWARD_OUTPUT_NORM, "final_layer_norm", null)
          .end()
          .linear(
              OUTPUT,
              "lm_head",
              null,
              FEED_FORWARD_OUTPUT_NORM,
              VOCABULARY,
              UNBIASED,
              tiedTo(TOKEN_EMBEDDING))
          .build();

  private static Architecture.Builder begun(boolean normsFirst) {
    return Architecture.decoder("opt")
        .modelTypes("opt")
        .classes("OPTForCausalLM", "OPTModel")
        .prefixes("model.decoder.", "decoder.", "")
        .dialect(
            Dialect.LLAMA
                .calls("intermediate_size", "ffn_dim")
                .calls("hidden_act", "activation_function")
                .otherwise("layer_norm_eps", 1e-5)
                .otherwise("tie_word_embeddings", true)
                .requires("enable_bias", "true")
                .requires("layer_norm_elementwise_affine", "true")
                .requires("_remove_final_layer_norm", "false")
                .requiresEqual("word_embed_proj_dim", "hidden_size"))
        .variant("do_layer_norm_before", null, normsFirst, true)
        .notInLlamaCpp()
        .activation(RELU)
        .biased()
        .embedding(TOKEN_EMBEDDING, "embed_tokens", null, VOCABULARY)
        .embedding(POSITION_EMBEDDING, "embed_positions", null, PADDED_POSITIONS);
  }

  private Opt() {}
}

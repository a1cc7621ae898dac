package ai.lathe.model.architecture;

import static ai.lathe.model.architecture.Architecture.Activation.GELU_TANH;
import static ai.lathe.model.architecture.Architecture.NormKind.LAYER;
import static ai.lathe.model.architecture.Architecture.NormOrder.PRE;
import static ai.lathe.model.architecture.Parameter.Trait.TRANSPOSED;
import static ai.lathe.model.architecture.Parameter.Trait.UNBIASED;
import static ai.lathe.model.architecture.Parameter.Trait.tiedTo;
import static ai.lathe.model.architecture.Role.*;
import static ai.lathe.model.architecture.Width.*;

/**
 * GPT-2: pre-norm decoder with learned positions, LayerNorm, one matrix for query, key and value,
 * and a bias on every layer. Hugging Face's files hold its matrices as {@code [in, out]}.
 */
final class Gpt2 {

  static final Architecture GPT2 =
      Architecture.decoder("gpt2")
          .modelTypes("gpt2")
          .classes("GPT2LMHeadModel", "GPT2Model")
          .prefixes("transformer.", "")
          .ignores(".attn.bias", ".attn.masked_bias")
          .dialect(
              Dialect.LLAMA
                  .calls("hidden_size", "n_embd")
                  .calls("intermediate_size", "n_inner")
                  .calls("num_hidden_layers", "n_layer")
                  .calls("num_attention_heads", "n_head")
                  .calls("max_position_embeddings", "n_positions")
                  .calls("hidden_act", "activation_function")
                  .calls("layer_norm_eps", "layer_norm_epsilon")
                  .otherwise("layer_norm_epsilon", 1e-5)
                  .otherwise("n_positions", 1024)
                  .otherwise("tie_word_embeddings", true)
                  .requires("scale_attn_weights", "true")
                  .requires("scale_attn_by_inverse_layer_idx", "false"))
          .norms(LAYER, PRE)
          .activation(GELU_TANH)
          .biased()
          .embedding(TOKEN_EMBEDDING, "wte", "token_embd", VOCABULARY)
          .embedding(POSITION_EMBEDDING, "wpe", "position_embd", POSITIONS)
          .blocks("h.{n}", "blk.{n}")
          .norm(ATTENTION_NORM, "ln_1", "attn_norm")
          .linear(
              Role.QUERY_KEY_VALUE,
              "attn.c_attn",
              "attn_qkv",
              ATTENTION_NORM,
              Width.QUERY_KEY_VALUE,
              TRANSPOSED)
          .linear(
              ATTENTION_OUTPUT,
              "attn.c_proj",
              "attn_output",
              Role.QUERY_KEY_VALUE,
              HIDDEN,
              TRANSPOSED)
          .norm(FEED_FORWARD_NORM, "ln_2", "ffn_norm")
          .linear(UP, "mlp.c_fc", "ffn_up", FEED_FORWARD_NORM, FEED_FORWARD, TRANSPOSED)
          .linear(DOWN, "mlp.c_proj", "ffn_down", UP, HIDDEN, TRANSPOSED)
          .end()
          .norm(OUTPUT_NORM, "ln_f", "output_norm")
          .linear(
              OUTPUT,
              "lm_head",
              "output",
              OUTPUT_NORM,
              VOCABULARY,
              UNBIASED,
              tiedTo(TOKEN_EMBEDDING))
          .build();

  private Gpt2() {}
}

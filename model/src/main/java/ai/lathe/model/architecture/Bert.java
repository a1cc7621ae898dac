package ai.lathe.model.architecture;

import static ai.lathe.model.architecture.Architecture.Activation.GELU;
import static ai.lathe.model.architecture.Architecture.NormKind.LAYER;
import static ai.lathe.model.architecture.Architecture.NormOrder.POST;
import static ai.lathe.model.architecture.Parameter.Trait.biasIn;
import static ai.lathe.model.architecture.Parameter.Trait.tiedTo;
import static ai.lathe.model.architecture.Role.*;
import static ai.lathe.model.architecture.Width.*;

/**
 * BERT, MiniLM, BGE, E5: post-norm encoder with learned positions, token types, LayerNorm, GELU and
 * a bias on every layer; with the head that predicts masked tokens, or without.
 */
final class Bert {

  private static final String PREDICTIONS = "cls.predictions";

  /** What heads of other tasks a file holds is of no matter. */
  static final Architecture BERT =
      body("", "bert.").classes("BertModel", "BertForMaskedLM", "BertForPreTraining").build();

  /** GGUF has no place for its head; there it is the other. */
  static final Architecture MASKED =
      body("bert.", "")
          .classes("BertForMaskedLM", "BertForPreTraining")
          .notInLlamaCpp()
          .end()
          .linear(
              HEAD_TRANSFORM,
              PREDICTIONS + ".transform.dense",
              null,
              FEED_FORWARD_OUTPUT_NORM,
              HIDDEN)
          .norm(HEAD_NORM, PREDICTIONS + ".transform.LayerNorm", null)
          .linear(
              OUTPUT,
              PREDICTIONS + ".decoder",
              null,
              HEAD_NORM,
              VOCABULARY,
              tiedTo(TOKEN_EMBEDDING),
              biasIn(PREDICTIONS))
          .build();

  private static Architecture.Builder body(String... prefixes) {
    return Architecture.encoder("bert")
        .modelTypes("bert")
        .prefixes(prefixes)
        .ignores("pooler.", "cls.", "classifier.", "embeddings.position_ids")
        .norms(LAYER, POST)
        .activation(GELU)
        .biased()
        .embedding(TOKEN_EMBEDDING, "embeddings.word_embeddings", "token_embd", VOCABULARY)
        .embedding(POSITION_EMBEDDING, "embeddings.position_embeddings", "position_embd", POSITIONS)
        .embedding(
            TOKEN_TYPE_EMBEDDING, "embeddings.token_type_embeddings", "token_types", TOKEN_TYPES)
        .norm(EMBEDDING_NORM, "embeddings.LayerNorm", "token_embd_norm")
        .blocks("encoder.layer.{n}", "blk.{n}")
        .linear(QUERY, "attention.self.query", "attn_q", FEED_FORWARD_OUTPUT_NORM, QUERY_HEADS)
        .linear(KEY, "attention.self.key", "attn_k", FEED_FORWARD_OUTPUT_NORM, KEY_HEADS)
        .linear(VALUE, "attention.self.value", "attn_v", FEED_FORWARD_OUTPUT_NORM, VALUE_HEADS)
        .linear(ATTENTION_OUTPUT, "attention.output.dense", "attn_output", VALUE, HIDDEN)
        .norm(ATTENTION_OUTPUT_NORM, "attention.output.LayerNorm", "attn_output_norm")
        .linear(UP, "intermediate.dense", "ffn_up", ATTENTION_OUTPUT_NORM, FEED_FORWARD)
        .linear(DOWN, "output.dense", "ffn_down", UP, HIDDEN)
        .norm(FEED_FORWARD_OUTPUT_NORM, "output.LayerNorm", "layer_output_norm");
  }

  private Bert() {}
}

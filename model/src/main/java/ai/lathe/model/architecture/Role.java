package ai.lathe.model.architecture;

/** What a parameter does in a transformer, whatever a file calls it; in order of execution. */
public enum Role {
  TOKEN_EMBEDDING,
  POSITION_EMBEDDING,
  TOKEN_TYPE_EMBEDDING,
  EMBEDDING_NORM,
  /** Before attention, in pre-norm models. */
  ATTENTION_NORM,
  QUERY,
  KEY,
  VALUE,
  /** On each head's query, before rotation. */
  QUERY_NORM,
  KEY_NORM,
  ATTENTION_OUTPUT,
  /** After the attention's residual sum, in post-norm models. */
  ATTENTION_OUTPUT_NORM,
  /** Before the feed-forward, in pre-norm models. */
  FEED_FORWARD_NORM,
  GATE,
  UP,
  DOWN,
  /** After the feed-forward's residual sum, in post-norm models. */
  FEED_FORWARD_OUTPUT_NORM,
  OUTPUT_NORM,
  /** Hidden state to logits. */
  OUTPUT
}

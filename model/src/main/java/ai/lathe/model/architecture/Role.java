package ai.lathe.model.architecture;

import java.util.Set;

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
  /** Queries, keys and values as one matrix. */
  QUERY_KEY_VALUE,
  /** On each head's query, before rotation. */
  QUERY_NORM,
  KEY_NORM,
  /** Which pairs of features narrower query and key heads still have, for each head of keys. */
  ROTARY_PAIRS,
  ATTENTION_OUTPUT,
  /** After the attention's residual sum in post-norm models, before it in sandwich-norm ones. */
  ATTENTION_OUTPUT_NORM,
  /** Before the feed-forward, in pre-norm models. */
  FEED_FORWARD_NORM,
  GATE,
  UP,
  /** Gate and up as one matrix, the gate first. */
  GATE_UP,
  DOWN,
  /** Scores of the experts, by which each token's are chosen. */
  ROUTER,
  EXPERT_GATE,
  EXPERT_UP,
  EXPERT_DOWN,
  /** After the feed-forward's residual sum in post-norm models, before it in sandwich-norm ones. */
  FEED_FORWARD_OUTPUT_NORM,
  OUTPUT_NORM,
  /** What stands between an encoder's states and its prediction of masked tokens, activated. */
  HEAD_TRANSFORM,
  /** On the activated transform. */
  HEAD_NORM,
  /** Hidden state to logits. */
  OUTPUT;

  /** What stands beside the model and not in it, and carries no prefix of its names. */
  public static final Set<Role> BESIDE = Set.of(HEAD_TRANSFORM, HEAD_NORM, OUTPUT);

  /** A feed-forward that every token passes through. */
  public static final Set<Role> DENSE_FEED_FORWARD = Set.of(GATE, UP, DOWN);

  /** A mixture of experts in its place. */
  public static final Set<Role> MIXTURE = Set.of(ROUTER, EXPERT_GATE, EXPERT_UP, EXPERT_DOWN);
}

package ai.lathe.model.architecture;

/** A dimension of a parameter; the model's configuration tells how many that is. */
public enum Width {
  HIDDEN,
  /** heads x head size */
  QUERY_HEADS,
  /** key-value heads x head size */
  KEY_VALUE_HEADS,
  /** queries, keys and values in one */
  QUERY_KEY_VALUE,
  /** one head */
  HEAD,
  FEED_FORWARD,
  /** inner width of one expert */
  EXPERT_FEED_FORWARD,
  EXPERTS,
  /** twice the feed-forward: its gate, then what the gate multiplies */
  GATE_AND_UP,
  VOCABULARY,
  POSITIONS,
  /** positions, and the rows for padding before the first of them */
  PADDED_POSITIONS,
  TOKEN_TYPES
}

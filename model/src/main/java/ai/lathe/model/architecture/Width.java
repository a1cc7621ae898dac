package ai.lathe.model.architecture;

/** A dimension of a parameter; the model's configuration tells how many that is in a block. */
public enum Width {
  HIDDEN,
  /** heads x features of a query */
  QUERY_HEADS,
  /** key-value heads x features of a key, which are a query's */
  KEY_HEADS,
  /** key-value heads x features of a value */
  VALUE_HEADS,
  /** heads x features of a value: what attention hands on */
  MIXED_VALUES,
  /** queries, keys and values in one */
  QUERY_KEY_VALUE,
  /** one query or key head */
  HEAD,
  /** how many heads of keys there are */
  KEY_VALUE_HEADS,
  /** pairs of features of a query or key head that turn together */
  ROTARY_PAIRS,
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

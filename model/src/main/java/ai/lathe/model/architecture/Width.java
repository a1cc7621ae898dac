package ai.lathe.model.architecture;

/** A dimension of a parameter; the model's configuration tells how many that is. */
public enum Width {
  HIDDEN,
  /** heads x head size */
  QUERY_HEADS,
  /** key-value heads x head size */
  KEY_VALUE_HEADS,
  /** one head */
  HEAD,
  FEED_FORWARD,
  /** inner width of one expert */
  EXPERT_FEED_FORWARD,
  EXPERTS,
  VOCABULARY,
  POSITIONS,
  TOKEN_TYPES
}

package ai.lathe.model.architecture;

import ai.lathe.model.ModelConfig;

/** A dimension of a parameter, as a function of the model's configuration. */
public enum Width {
  HIDDEN,
  /** heads x head size */
  QUERY_HEADS,
  /** key-value heads x head size */
  KEY_VALUE_HEADS,
  /** one head */
  HEAD,
  FEED_FORWARD,
  VOCABULARY,
  POSITIONS,
  TOKEN_TYPES;

  public int in(ModelConfig config) {
    return switch (this) {
      case HIDDEN -> config.hidden();
      case QUERY_HEADS -> Math.multiplyExact(config.heads(), config.headSize());
      case KEY_VALUE_HEADS -> Math.multiplyExact(config.keyValueHeads(), config.headSize());
      case HEAD -> config.headSize();
      case FEED_FORWARD -> config.feedForward();
      case VOCABULARY -> config.vocabulary();
      case POSITIONS -> config.context();
      case TOKEN_TYPES -> config.tokenTypes();
    };
  }
}

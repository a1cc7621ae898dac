package ai.lathe.model.config;

import ai.lathe.format.FormatException;
import ai.lathe.model.ModelConfig;

/** Bounds of what a file may claim, far above any model, low enough that products fit an int. */
final class Limits {

  static final int WIDTH = 1 << 20;
  static final int HEADS = 1 << 16;
  static final int EXPERTS = 1 << 12;
  static final int BLOCKS = 1 << 14;
  static final int VOCABULARY = 1 << 26;
  static final int POSITIONS = 1 << 30;

  private Limits() {}

  /** The same configuration; throws where its numbers contradict each other. */
  static ModelConfig check(ModelConfig config, String where) {
    if ((long) config.heads() * config.headSize() > WIDTH) {
      throw new FormatException(
          where
              + ": "
              + config.heads()
              + " heads of "
              + config.headSize()
              + " are wider than any model ("
              + WIDTH
              + ")");
    }
    if (config.heads() % config.keyValueHeads() != 0) {
      throw new FormatException(
          where
              + ": "
              + config.heads()
              + " heads cannot share "
              + config.keyValueHeads()
              + " key-value heads evenly");
    }
    if (config.rope() != null && config.rope().dimensions() % 2 != 0) {
      throw new FormatException(
          where
              + ": rotary positions turn pairs of features, not "
              + config.rope().dimensions()
              + " of a head");
    }
    return config;
  }
}

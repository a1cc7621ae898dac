package ai.lathe.runtime.generation;

/**
 * Hears of a text while it is written, on the thread that asked for it. What it throws ends the
 * generation and is thrown on.
 */
@FunctionalInterface
public interface GenerationListener {

  /** Nobody listens. */
  GenerationListener NONE = piece -> {};

  /** The next piece of the text: whole characters, never empty. */
  void text(String piece);

  /**
   * A token of the output.
   *
   * @param logprobs null where none were asked for
   */
  default void token(int token, Logprobs logprobs) {}

  /** How much of the prompt has been read. */
  default void progress(int read, int promptTokens) {}

  /** Asked before each step: whether to stop here. */
  default boolean cancelled() {
    return false;
  }
}

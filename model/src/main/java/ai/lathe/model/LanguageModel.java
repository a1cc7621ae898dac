package ai.lathe.model;

/** Tokens to next-token logits. Implemented by executors, used by evaluation. */
public interface LanguageModel extends AutoCloseable {

  int vocabularySize();

  /** Most tokens of one call. */
  int contextLength();

  /** Runs the model over one sequence. The result is valid until closed. */
  Logits forward(int[] tokens);

  @Override
  void close();

  /**
   * The logits of a sequence, computed for the rows that are asked for, so that a large vocabulary
   * does not need memory for all of them.
   */
  interface Logits extends AutoCloseable {

    int positions();

    /**
     * Logits of positions {@code [from, to)}, {@code [to - from, vocabulary]} row-major, into
     * {@code target}.
     */
    void rows(int from, int to, float[] target);

    @Override
    void close();
  }
}

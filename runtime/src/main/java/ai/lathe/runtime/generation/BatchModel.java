package ai.lathe.runtime.generation;

import java.lang.foreign.MemorySegment;

/**
 * What generation needs of a decoder: tokens of several sequences run together, logits come out.
 * For one thread at a time.
 */
public interface BatchModel {

  /** What the model remembers of one sequence. */
  interface State extends AutoCloseable {

    /** Tokens that the model has read. */
    int length();

    /** Forgets tokens from {@code to} on; not to less than {@link #earliest}, other than 0. */
    void truncate(int to);

    /**
     * The shortest that it can be taken back to: sliding windows leave earlier positions behind.
     */
    default int earliest() {
      return 0;
    }

    /** Whether it can go on as a sequence of this many tokens in the end. */
    default boolean canBecome(int tokens) {
      return true;
    }

    @Override
    void close();
  }

  int vocabulary();

  /** Most tokens of a sequence. */
  int context();

  /** Most tokens of a batch. */
  int batchTokens();

  /**
   * A sequence without tokens.
   *
   * @param tokens how many it will have at most
   */
  State open(int tokens);

  /** The most bytes that a sequence of so many tokens takes. */
  default long cacheBytes(int tokens) {
    return 0;
  }

  /** Begins a batch. */
  void begin();

  /**
   * Adds tokens {@code [from, to)} of an array to the batch, the next ones of their sequence.
   *
   * @param wanted for how many of the last of them logits are wanted: none, one or all
   */
  void add(State state, int[] tokens, int from, int to, int wanted);

  /** Runs the batch; states are longer by its tokens afterwards. */
  void run();

  /**
   * {@code [wanted, vocabulary]} float32: the wanted logits of the batch in the order in which its
   * parts were added. Valid until the next batch.
   *
   * @param rows all that were wanted
   */
  MemorySegment logits(int rows);
}

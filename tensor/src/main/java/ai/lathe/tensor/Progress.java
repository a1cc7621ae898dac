package ai.lathe.tensor;

/**
 * Where a long loop says how far it is. The loop neither knows nor cares whether a bar, plain lines
 * or nothing comes of it. Implementations are safe for use by several threads.
 */
public interface Progress {

  /** Tells nobody. */
  Progress NONE = (what, total) -> Task.SILENT;

  /**
   * Begins a loop.
   *
   * @param what a few words for the person who waits, for example {@code perplexity}
   * @param total steps that it takes; negative where nobody knows yet
   */
  Task start(String what, long total);

  /** A loop on its way; ends when closed, however many steps were taken. */
  interface Task extends AutoCloseable {

    /** Tells nobody. */
    Task SILENT =
        new Task() {
          @Override
          public void advance(long by) {}

          @Override
          public void note(String message) {}

          @Override
          public void close() {}
        };

    /** {@code by} more steps are done. */
    void advance(long by);

    /**
     * Something to know about the step at hand, in a few words; the newest one replaces the last.
     */
    void note(String message);

    @Override
    void close();
  }
}

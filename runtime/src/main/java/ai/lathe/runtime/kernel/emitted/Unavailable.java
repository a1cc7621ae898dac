package ai.lathe.runtime.kernel.emitted;

/** Machine code cannot run here. The message says why, in half a sentence. */
public final class Unavailable extends Exception {

  private static final long serialVersionUID = 1L;

  private final boolean avoidable;

  Unavailable(String reason, boolean avoidable) {
    super(reason);
    this.avoidable = avoidable;
  }

  /** Whether it would run if Java were started, or the system set up, differently. */
  public boolean avoidable() {
    return avoidable;
  }
}

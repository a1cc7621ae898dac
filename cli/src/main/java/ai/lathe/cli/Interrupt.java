package ai.lathe.cli;

import sun.misc.Signal;
import sun.misc.SignalHandler;

/**
 * Ctrl-C while an answer is written stops the answer; at any other time it ends the program, as it
 * does without this.
 */
final class Interrupt implements AutoCloseable {

  private static final Signal CTRL_C = new Signal("INT");

  private final SignalHandler before;
  private boolean answering;
  private boolean pressed;

  Interrupt() {
    before = handle(_ -> press());
  }

  private static SignalHandler handle(SignalHandler handler) {
    try {
      return Signal.handle(CTRL_C, handler);
    } catch (IllegalArgumentException e) {
      // Java was started with -Xrs and leaves signals to others.
      return null;
    }
  }

  private synchronized void press() {
    if (answering) {
      pressed = true;
    } else if (before != null) {
      before.handle(CTRL_C);
    }
  }

  /** From now on an answer is written; nothing was pressed yet. */
  synchronized void begin() {
    answering = true;
    pressed = false;
  }

  /** The answer is over. */
  synchronized void end() {
    answering = false;
  }

  /** Whether to stop the answer. */
  synchronized boolean pressed() {
    return pressed;
  }

  @Override
  public void close() {
    if (before != null) {
      handle(before);
    }
  }
}

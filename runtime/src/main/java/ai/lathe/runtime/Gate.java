package ai.lathe.runtime;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/**
 * Who is inside a model. Its memory is freed when it is closed and the last has left, never under a
 * running computation.
 */
final class Gate {

  private final List<Thread> inside = new ArrayList<>();
  private final Runnable free;
  private boolean closed;
  private boolean freed;

  /**
   * @param free runs once, on the thread that closes or that leaves last
   */
  Gate(Runnable free) {
    this.free = free;
  }

  /** Does something for which the model has to be there. */
  <T> T within(Supplier<T> work) {
    synchronized (this) {
      if (closed) {
        throw new ClosedModelException();
      }
      inside.add(Thread.currentThread());
    }
    try {
      return work.get();
    } finally {
      leave();
    }
  }

  private synchronized void leave() {
    inside.remove(Thread.currentThread());
    freeIfLast();
  }

  /**
   * Nobody enters any more. Waits for those inside, unless this thread is one of them.
   *
   * @param hurry tells them, first
   */
  synchronized void close(Runnable hurry) {
    if (!closed) {
      closed = true;
      hurry.run();
      freeIfLast();
    }
    boolean interrupted = false;
    while (!freed && !inside.contains(Thread.currentThread())) {
      try {
        wait();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private void freeIfLast() {
    if (closed && !freed && inside.isEmpty()) {
      freed = true;
      try {
        free.run();
      } finally {
        notifyAll();
      }
    }
  }
}

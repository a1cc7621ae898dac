package ai.lathe.runtime.kernel;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/**
 * Threads that compute one task together, the caller among them. Between tasks they wait for a
 * short time without sleeping, because within a token the next task comes in microseconds, then
 * give way to others, then sleep: without a bound on spinning, one other busy process would cost
 * many times its share. For one caller at a time.
 */
public final class Workers implements AutoCloseable {

  /** One thread's share of a task. */
  @FunctionalInterface
  public interface Task {
    /**
     * @param part which share, from 0
     * @param parts how many
     */
    void run(int part, int parts);
  }

  private static final int SPINS = 2_000;
  private static final int YIELDS = 50;

  private final Thread[] threads;
  private final AtomicInteger unfinished = new AtomicInteger();
  private volatile int round;
  private volatile boolean closed;
  private volatile Throwable failure;
  private volatile Thread caller;
  private Task task;

  /**
   * @param count threads in all, the caller's included
   */
  public Workers(int count) {
    if (count < 1) {
      throw new IllegalArgumentException("at least one thread computes, not " + count);
    }
    threads = new Thread[count - 1];
    for (int i = 0; i < threads.length; i++) {
      int part = i + 1;
      threads[i] =
          Thread.ofPlatform().daemon().name("lathe-worker-" + part).start(() -> work(part));
    }
  }

  /** Threads in all. */
  public int count() {
    return threads.length + 1;
  }

  /** Runs all parts of a task, and throws what one of them threw. */
  public void run(Task next) {
    if (threads.length == 0) {
      next.run(0, 1);
      return;
    }
    task = next;
    failure = null;
    caller = Thread.currentThread();
    unfinished.set(threads.length);
    round++;
    for (var thread : threads) {
      LockSupport.unpark(thread);
    }
    try {
      next.run(0, threads.length + 1);
    } catch (Throwable e) {
      failure = e;
    }
    for (int waited = 0; unfinished.get() > 0; waited++) {
      pause(waited);
    }
    switch (failure) {
      case null -> {}
      case RuntimeException e -> throw e;
      case Error e -> throw e;
      case Throwable e -> throw new AssertionError(e);
    }
  }

  private void work(int part) {
    int seen = 0;
    while (true) {
      for (int waited = 0; round == seen && !closed; waited++) {
        pause(waited);
      }
      if (closed) {
        return;
      }
      seen = round;
      try {
        task.run(part, threads.length + 1);
      } catch (Throwable e) {
        failure = e;
      }
      if (unfinished.decrementAndGet() == 0) {
        LockSupport.unpark(caller);
      }
    }
  }

  private static void pause(int waited) {
    if (waited < SPINS) {
      Thread.onSpinWait();
    } else if (waited < SPINS + YIELDS) {
      Thread.yield();
    } else {
      LockSupport.park();
    }
  }

  @Override
  public void close() {
    closed = true;
    for (var thread : threads) {
      LockSupport.unpark(thread);
    }
  }
}

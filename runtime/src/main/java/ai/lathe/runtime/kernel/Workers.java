package ai.lathe.runtime.kernel;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * Threads that compute one task together, the caller among them. Each takes the next part that
 * nobody has taken, so that a thread which the system has set aside for another process delays
 * others by one part at most. Between tasks threads wait for a short time without sleeping, because
 * within a token the next task comes in microseconds, then sleep: without a bound on spinning, one
 * other busy process would cost many times its share, and a thread that sleeps leaves its core to
 * the one that is waited for. For one caller at a time.
 */
public final class Workers implements AutoCloseable {

  /** One part of a task. */
  @FunctionalInterface
  public interface Task {
    /**
     * @param part which part, from 0; each is run once, by any thread
     * @param parts how many
     */
    void run(int part, int parts);
  }

  /** Of one task. */
  private static final int MOST_PARTS = 0xFFFF;

  /** How long a thread waits for the next task before it sleeps. Waking it costs about as much. */
  private static final long SPIN_NANOS = 100_000;

  /** How long the caller waits for the last parts. */
  private static final long CALLER_SPIN_NANOS = 50_000;

  /** Between two looks at the clock. */
  private static final int SPINS = 32;

  private final Worker[] workers;

  /**
   * The round in the upper half; below, 16 bits each, how many parts it has and which is taken
   * next. In one word, because a thread that comes late must not take a part of one round by the
   * count of the next.
   */
  private final AtomicLong claims = new AtomicLong();

  private final AtomicInteger unfinished = new AtomicInteger();
  private volatile boolean closed;
  private volatile Throwable failure;
  private volatile Thread sleepingCaller;

  /** Of the present round; published by claims, and left alone while a part of it is not done. */
  private Task task;

  /**
   * @param count threads in all, the caller's included
   */
  public Workers(int count) {
    if (count < 1) {
      throw new IllegalArgumentException("at least one thread computes, not " + count);
    }
    workers = new Worker[count - 1];
    for (int i = 0; i < workers.length; i++) {
      workers[i] = new Worker();
      workers[i].thread =
          Thread.ofPlatform().daemon().name("lathe-worker-" + (i + 1)).start(workers[i]);
    }
  }

  /** Threads in all. */
  public int count() {
    return workers.length + 1;
  }

  /** Runs a task in as many parts as there are threads. */
  public void run(Task next) {
    run(next, count());
  }

  /**
   * Runs all parts of a task, and throws what one of them threw.
   *
   * @param count of parts; several for each thread even out what disturbs one of them
   */
  public void run(Task next, int count) {
    if (workers.length == 0 || count == 1) {
      for (int part = 0; part < count; part++) {
        next.run(part, count);
      }
      return;
    }
    if (count > MOST_PARTS) {
      throw new IllegalArgumentException("at most " + MOST_PARTS + " parts, not " + count);
    }
    task = next;
    failure = null;
    unfinished.set(count);
    long round = (claims.get() >>> 32) + 1 & 0xFFFF_FFFFL;
    claims.set(round << 32 | (long) count << 16);
    for (var worker : workers) {
      if (worker.sleeping) {
        LockSupport.unpark(worker.thread);
      }
    }
    takeParts(round);
    awaitOthers();
    task = null;
    switch (failure) {
      case null -> {}
      case RuntimeException e -> throw e;
      case Error e -> throw e;
      case Throwable e -> throw new AssertionError(e);
    }
  }

  /**
   * Until none is left of that round. A thread that comes late finds the next round's parts, and
   * takes none: its claim is of the round it has seen.
   */
  private void takeParts(long round) {
    while (true) {
      long claim = claims.get();
      int part = (int) claim & MOST_PARTS;
      int count = (int) claim >>> 16;
      if (claim >>> 32 != round || part >= count) {
        return;
      }
      if (claims.compareAndSet(claim, claim + 1)) {
        try {
          task.run(part, count);
        } catch (Throwable e) {
          failure = e;
        }
        if (unfinished.decrementAndGet() == 0) {
          LockSupport.unpark(sleepingCaller);
        }
      }
    }
  }

  private void awaitOthers() {
    long began = 0;
    for (int waited = 1; unfinished.get() > 0; waited++) {
      if (waited % SPINS != 0) {
        Thread.onSpinWait();
      } else if (began == 0) {
        began = System.nanoTime();
      } else if (System.nanoTime() - began > CALLER_SPIN_NANOS) {
        sleepingCaller = Thread.currentThread();
        while (unfinished.get() > 0) {
          LockSupport.park(this);
        }
        sleepingCaller = null;
      }
    }
  }

  private final class Worker implements Runnable {
    private Thread thread;
    private volatile boolean sleeping;

    @Override
    public void run() {
      long seen = 0;
      while (!closed) {
        awaitRound(seen);
        seen = claims.get() >>> 32;
        takeParts(seen);
      }
    }

    private void awaitRound(long seen) {
      long began = 0;
      for (int waited = 1; claims.get() >>> 32 == seen && !closed; waited++) {
        if (waited % SPINS != 0) {
          Thread.onSpinWait();
        } else if (began == 0) {
          began = System.nanoTime();
        } else if (System.nanoTime() - began > SPIN_NANOS) {
          // Whoever publishes a round afterwards sees that this thread sleeps.
          sleeping = true;
          while (claims.get() >>> 32 == seen && !closed) {
            LockSupport.park(Workers.this);
          }
          sleeping = false;
        } else {
          // The caller itself may be waiting for this core: a thread is often woken on its waker's.
          Thread.yield();
        }
      }
    }
  }

  @Override
  public void close() {
    closed = true;
    for (var worker : workers) {
      LockSupport.unpark(worker.thread);
    }
  }
}

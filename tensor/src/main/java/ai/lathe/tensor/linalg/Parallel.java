package ai.lathe.tensor.linalg;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntConsumer;

/**
 * The one place where solvers get their threads. The number is that of the machine's processors, or
 * the system property {@value #THREADS}; what is computed must not depend on it.
 */
public final class Parallel {

  /** System property: how many threads compute. */
  public static final String THREADS = "lathe.threads";

  private static final int COUNT =
      Math.max(1, Integer.getInteger(THREADS, Runtime.getRuntime().availableProcessors()));

  private static final ForkJoinPool POOL = new ForkJoinPool(COUNT);

  private Parallel() {}

  /** How many threads compute, the caller's included. */
  public static int threads() {
    return COUNT;
  }

  /**
   * Calls {@code task} with each of {@code 0 .. count - 1}, on several threads in no particular
   * order, and returns when all are done. Calls must be independent of each other; the first
   * exception of one is thrown here. May be nested.
   */
  public static void forEach(int count, IntConsumer task) {
    var next = new AtomicInteger();
    var unfinished = new CountDownLatch(count);
    var failure = new AtomicReference<Throwable>();
    Runnable work =
        () -> {
          for (int i = next.getAndIncrement(); i < count; i = next.getAndIncrement()) {
            try {
              if (failure.get() == null) {
                task.accept(i);
              }
            } catch (Throwable e) {
              failure.compareAndSet(null, e);
            } finally {
              unfinished.countDown();
            }
          }
        };
    for (int i = 1; i < Math.min(COUNT, count); i++) {
      POOL.execute(work);
    }
    // The caller works too. What is left after its share is being worked on by threads that run
    // already, so waiting cannot deadlock; a helper that begins later finds nothing to do.
    work.run();
    await(unfinished);
    switch (failure.get()) {
      case null -> {}
      case RuntimeException e -> throw e;
      case Error e -> throw e;
      case Throwable e -> throw new AssertionError(e);
    }
  }

  private static void await(CountDownLatch latch) {
    boolean interrupted = false;
    while (true) {
      try {
        latch.await();
        break;
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}

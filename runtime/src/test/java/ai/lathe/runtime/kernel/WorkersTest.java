package ai.lathe.runtime.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WorkersTest {

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 5})
  void everyPartIsRunOnceWhateverTheCounts(int threads) {
    try (var workers = new Workers(threads)) {
      for (int round = 0; round < 2_000; round++) {
        int parts = 1 + round % 9;
        var runs = new AtomicIntegerArray(parts);
        workers.run(
            (part, all) -> {
              assertThat(all).isEqualTo(parts);
              runs.incrementAndGet(part);
            },
            parts);
        for (int part = 0; part < parts; part++) {
          assertThat(runs.get(part)).isEqualTo(1);
        }
      }
    }
  }

  /** A thread that is late for a round of few parts must take none of a round of many. */
  @Test
  void lateThreadsTakeNoPartsOfOtherRounds() {
    var runs = new AtomicIntegerArray(9);
    try (var workers = new Workers(3)) {
      Workers.Task task = (part, _) -> runs.incrementAndGet(part);
      for (int round = 0; round < 100_000; round++) {
        workers.run(task, 2);
        workers.run(task, 9);
      }
    }
    for (int part = 0; part < 9; part++) {
      assertThat(runs.get(part)).isEqualTo(part < 2 ? 200_000 : 100_000);
    }
  }

  /** What parts have written without any care is there when the task is done. */
  @Test
  void resultsAreVisible() {
    var written = new int[64];
    try (var workers = new Workers(4)) {
      for (int round = 1; round <= 5_000; round++) {
        int value = round;
        workers.run((part, _) -> written[part] = value, written.length);
        assertThat(written).containsOnly(value);
      }
    }
  }

  @Test
  void aThreadThatIsHeldUpDelaysItsPartAlone() {
    try (var workers = new Workers(2)) {
      var others = new CountDownLatch(7);
      workers.run(
          (part, _) -> {
            if (part > 0) {
              others.countDown();
            } else if (!await(others)) {
              throw new AssertionError("the other parts waited for the first");
            }
          },
          8);
    }
  }

  @Test
  void wakesThreadsThatSleep() {
    try (var workers = new Workers(2)) {
      for (int round = 0; round < 5; round++) {
        LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(20)); // longer than anybody spins
        var both = new CountDownLatch(2);
        workers.run(
            (_, _) -> {
              both.countDown();
              if (!await(both)) {
                throw new AssertionError("one thread ran both parts");
              }
            });
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 3})
  void aFailureReachesTheCallerAndLeavesTheThreadsUsable(int failing) {
    try (var workers = new Workers(3)) {
      assertThatThrownBy(
              () ->
                  workers.run(
                      (part, _) -> {
                        if (part == failing) {
                          throw new IllegalStateException("part " + part);
                        }
                      },
                      6))
          .isInstanceOf(IllegalStateException.class)
          .hasMessage("part " + failing);
      var runs = new AtomicIntegerArray(1);
      workers.run((_, _) -> runs.incrementAndGet(0));
      assertThat(runs.get(0)).isEqualTo(3);
    }
  }

  @Test
  void aClosedOneHasNoThreadsLeft() throws InterruptedException {
    Thread[] seen = new Thread[1];
    try (var workers = new Workers(2)) {
      var both = new CountDownLatch(2);
      var caller = Thread.currentThread();
      workers.run(
          (_, _) -> {
            if (Thread.currentThread() != caller) {
              seen[0] = Thread.currentThread();
            }
            both.countDown();
            await(both);
          });
    }
    seen[0].join(10_000);
    assertThat(seen[0].isAlive()).isFalse();
  }

  private static boolean await(CountDownLatch latch) {
    try {
      return latch.await(10, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }
}

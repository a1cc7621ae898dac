package ai.lathe.runtime.generation;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Choosing tokens and sharing batches leaves no garbage behind, once everything has its size. */
class AllocationTest {

  private static final int VOCABULARY = 2000;
  private static final int STEPS = 300;

  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  /** Gives the same logits whatever it reads, and allocates nothing itself. */
  private static final class Constant implements BatchModel {

    private final MemorySegment logits;
    private Memory first;

    Constant(Arena arena) {
      logits = arena.allocate(8L * VOCABULARY * Float.BYTES);
      var random = new SplittableRandom(1);
      for (long i = 0; i < 8L * VOCABULARY; i++) {
        logits.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) (random.nextDouble() * 9));
      }
    }

    private static final class Memory implements State {
      private Memory next;
      private int length;
      private int pending;

      @Override
      public int length() {
        return length;
      }

      @Override
      public void truncate(int to) {
        length = Math.min(length, to);
      }

      @Override
      public void close() {}
    }

    @Override
    public int vocabulary() {
      return VOCABULARY;
    }

    @Override
    public int context() {
      return 10_000;
    }

    @Override
    public int batchTokens() {
      return 64;
    }

    @Override
    public State open(int tokens) {
      var memory = new Memory();
      memory.next = first;
      first = memory;
      return memory;
    }

    @Override
    public void begin() {}

    @Override
    public void add(State state, int[] tokens, int from, int to, int wanted) {
      ((Memory) state).pending = to - from;
    }

    @Override
    public void run() {
      for (var memory = first; memory != null; memory = memory.next) {
        memory.length += memory.pending;
        memory.pending = 0;
      }
    }

    @Override
    public MemorySegment logits(int rows) {
      return logits;
    }
  }

  @Test
  void stepsAllocateNothing() {
    try (var arena = Arena.ofConfined()) {
      assertThat(allocated(new Scheduler(new Constant(arena), null, new int[] {}, Limits.STANDARD)))
          .isLessThan(STEPS);
    }
  }

  @Test
  void stepsWithADraftAllocateNothing() {
    try (var arena = Arena.ofConfined()) {
      var drafter = new Drafter(new Constant(arena), 3);
      assertThat(
              allocated(new Scheduler(new Constant(arena), drafter, new int[] {}, Limits.STANDARD)))
          .isLessThan(STEPS);
    }
  }

  /**
   * Less than a byte a step is none: bytes of a few hundred steps of two sequences, behind as many
   * to warm up.
   */
  private static long allocated(Scheduler scheduler) {
    int[] prompt = {1, 2, 3};
    var penalized = Sampling.standard().withSeed(4).withPenalties(1.1, 0.1, 0.1);
    for (var sampling : new Sampling[] {penalized, Sampling.plain(5).withTopP(0.9)}) {
      scheduler.enter(scheduler.task(prompt, sampling, 9_000, true));
    }
    long thread = Thread.currentThread().threadId();
    // The arrays of tokens grow to twice their size now and then: the least of several rounds.
    long least = Long.MAX_VALUE;
    for (int round = 0; round < 6; round++) {
      long before = THREADS.getThreadAllocatedBytes(thread);
      for (int i = 0; i < STEPS; i++) {
        scheduler.step();
      }
      least = Math.min(least, THREADS.getThreadAllocatedBytes(thread) - before);
    }
    scheduler.close();
    return least;
  }
}

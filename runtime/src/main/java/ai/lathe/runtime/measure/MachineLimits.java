package ai.lathe.runtime.measure;

import ai.lathe.runtime.kernel.Workers;
import ai.lathe.tensor.LatheException;
import com.sun.management.OperatingSystemMXBean;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What some threads of this machine can do at most. The best of several short measurements: other
 * processes can only make them worse.
 *
 * @param readBytesPerSecond of memory that is in no cache, read once from front to back
 * @param operationsPerSecond multiplications and additions in registers
 * @param arithmetic what was multiplied
 */
public record MachineLimits(
    double readBytesPerSecond, double operationsPerSecond, String arithmetic) {

  /** Much more than the caches of large machines hold. */
  private static final long READ_BYTES = 1L << 30;

  private static final long LEAST_BYTES = 64L << 20;

  /** Of each measurement. */
  private static final double SECONDS = 1;

  /** Short calls before anything counts, after which the loops are compiled. */
  private static final int WARM_UP_CALLS = 400;

  private static final int ROUNDS = 1 << 19;

  /** Takes about three seconds, and a gigabyte that is given back. */
  public static MachineLimits measure(Workers workers, MachineLoops loops) {
    return new MachineLimits(read(workers, loops), multiply(workers, loops), loops.arithmetic());
  }

  private static double read(Workers workers, MachineLoops loops) {
    long bytes = readBytes();
    var sink = new AtomicLong();
    try (var arena = Arena.ofShared()) {
      var memory = arena.allocate(bytes, 1 << 12);
      memory.fill((byte) 1);
      for (int i = 0; i < WARM_UP_CALLS; i++) {
        sink.addAndGet(loops.read(memory, 0, MachineLoops.BLOCK));
      }
      double best = 0;
      long began = System.nanoTime();
      while (System.nanoTime() - began < SECONDS * 1e9) {
        long start = System.nanoTime();
        workers.run((part, parts) -> sink.addAndGet(read(loops, memory, part, parts)));
        best = Math.max(best, bytes * 1e9 / (System.nanoTime() - start));
      }
      if (sink.get() == 0) {
        throw new AssertionError("sums of ones are not zero");
      }
      return best;
    }
  }

  private static long read(MachineLoops loops, MemorySegment memory, int part, int parts) {
    long blocks = memory.byteSize() / MachineLoops.BLOCK;
    return loops.read(
        memory,
        blocks * part / parts * MachineLoops.BLOCK,
        blocks * (part + 1) / parts * MachineLoops.BLOCK);
  }

  /** A quarter of what is free, where that is less than wanted. */
  private static long readBytes() {
    var system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    long bytes = Math.min(READ_BYTES, system.getFreeMemorySize() / 4);
    if (bytes < LEAST_BYTES) {
      throw new LatheException(
          "measuring the memory's speed takes %d MB, and there is too little free"
              .formatted(4 * LEAST_BYTES >> 20));
    }
    return bytes / MachineLoops.BLOCK * MachineLoops.BLOCK;
  }

  private static double multiply(Workers workers, MachineLoops loops) {
    var sink = new AtomicLong();
    for (int i = 0; i < WARM_UP_CALLS; i++) {
      sink.addAndGet(loops.multiply(ROUNDS / WARM_UP_CALLS));
    }
    double best = 0;
    long began = System.nanoTime();
    while (System.nanoTime() - began < SECONDS * 1e9) {
      long start = System.nanoTime();
      workers.run((_, _) -> sink.addAndGet(loops.multiply(ROUNDS)));
      double seconds = (System.nanoTime() - start) / 1e9;
      best =
          Math.max(best, (double) workers.count() * ROUNDS * loops.operationsPerRound() / seconds);
    }
    return sink.get() == Long.MIN_VALUE ? 0 : best; // what is never read is never computed
  }
}

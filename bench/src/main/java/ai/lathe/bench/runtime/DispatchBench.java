package ai.lathe.bench.runtime;

import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.measure.MachineLoops;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What it costs to share a task among threads: nothing to do, at once and after pauses; then
 * something like a token, 40 tasks that read 256 MB in all, alone and beside a foreign busy
 * process.
 *
 * <pre>DispatchBench [THREADS [PIECES]]</pre>
 */
public final class DispatchBench {

  private static final int ROUNDS = 20_000;
  private static final int TASKS = 40;
  private static final long BYTES = 256L << 20;
  private static final int TOKENS = 60;

  private DispatchBench() {}

  public static void main(String[] arguments) throws IOException {
    int threads = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 2;
    int pieces = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 4;
    try (var workers = new Workers(threads);
        var arena = Arena.ofShared()) {
      for (long pause : new long[] {0, 0, 20, 80, 500}) {
        System.out.printf(
            Locale.ROOT,
            "empty task after %3d us: %s%n",
            pause,
            quantiles(empty(workers, pause), "us"));
      }
      var loops = MachineLoops.best();
      var memory = arena.allocate(BYTES, 4096);
      memory.fill((byte) 1);
      var sink = new AtomicLong();
      long blocks = BYTES / MachineLoops.BLOCK;
      Workers.Task[] tasks = new Workers.Task[TASKS];
      for (int i = 0; i < TASKS; i++) {
        long first = blocks * i / TASKS;
        long count = blocks * (i + 1) / TASKS - first;
        tasks[i] =
            (part, parts) ->
                sink.addAndGet(
                    loops.read(
                        memory,
                        (first + count * part / parts) * MachineLoops.BLOCK,
                        (first + count * (part + 1) / parts) * MachineLoops.BLOCK));
      }
      tokens(workers, tasks, pieces); // compiled
      for (int round = 0; round < 3; round++) {
        System.out.println(
            "token alone:               " + quantiles(tokens(workers, tasks, pieces), "ms"));
        try (var _ = new BusyProcess()) {
          System.out.println(
              "token beside busy process: " + quantiles(tokens(workers, tasks, pieces), "ms"));
        }
      }
    }
  }

  private static double[] empty(Workers workers, long pauseMicros) {
    var micros = new double[pauseMicros > 100 ? ROUNDS / 10 : ROUNDS];
    for (int i = 0; i < micros.length; i++) {
      long until = System.nanoTime() + 1000 * pauseMicros;
      while (System.nanoTime() < until) {
        Thread.onSpinWait();
      }
      long start = System.nanoTime();
      workers.run((_, _) -> {});
      micros[i] = (System.nanoTime() - start) / 1e3;
    }
    return micros;
  }

  private static double[] tokens(Workers workers, Workers.Task[] tasks, int pieces) {
    var millis = new double[TOKENS];
    for (int i = 0; i < TOKENS; i++) {
      long start = System.nanoTime();
      for (var task : tasks) {
        workers.run(task, pieces * workers.count());
      }
      millis[i] = (System.nanoTime() - start) / 1e6;
    }
    return millis;
  }

  private static String quantiles(double[] values, String unit) {
    Arrays.sort(values);
    return String.format(
        Locale.ROOT,
        "best %.2f, median %.2f, 90 %% %.2f, mean %.2f %s",
        values[0],
        values[values.length / 2],
        values[values.length * 9 / 10],
        Arrays.stream(values).average().orElseThrow(),
        unit);
  }
}

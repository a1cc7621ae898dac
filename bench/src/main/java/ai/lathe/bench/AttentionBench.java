package ai.lathe.bench;

import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.attention.AttentionKernel;
import ai.lathe.runtime.kernel.attention.AttentionShape;
import ai.lathe.runtime.kernel.attention.AttentionTask;
import ai.lathe.runtime.kernel.attention.FloatKeyValues;
import ai.lathe.runtime.kernel.attention.Heads;
import ai.lathe.runtime.kernel.attention.KeyValueLayout;
import ai.lathe.runtime.kernel.vector.VectorProvider;
import ai.lathe.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The attention kernel alone, one block: {@code tools/bench AttentionBench HEADS KEY-VALUE-HEADS
 * HEAD-SIZE POSITIONS THREADS [VALUE-SIZE]}. A prompt of so many tokens, in operations of the
 * visible half of the scores, two products of each; then one more token after it, in bytes of keys
 * and values. One thread is timed by the processor time that it took, which other processes do not
 * add to.
 */
final class AttentionBench {

  private static final int REPEATS = 15;
  private static final int TILE_ROWS = 128;

  private AttentionBench() {}

  public static void main(String[] args) {
    int heads = Integer.parseInt(args[0]);
    int keyValueHeads = Integer.parseInt(args[1]);
    int size = Integer.parseInt(args[2]);
    int positions = Integer.parseInt(args[3]);
    int threads = Integer.parseInt(args[4]);
    int valueSize = args.length > 5 ? Integer.parseInt(args[5]) : size;
    var shape =
        new AttentionShape(
            heads, keyValueHeads, size, valueSize, 1 / Math.sqrt(size), 0, true, Integer.MAX_VALUE);
    try (var workers = new Workers(threads)) {
      for (var type : new DType[] {DType.F16, DType.BF16, DType.F32}) {
        var layout = new FloatKeyValues(type, keyValueHeads, size, valueSize);
        var run = new Run(shape, layout, positions, workers);
        int tile = Math.max(1, TILE_ROWS / shape.group());
        double both = size + valueSize;
        run.time("prompt", tile, 0, positions, both * positions * positions * heads, "GFLOP/s");
        double bytes = both * positions * keyValueHeads * type.bits() / 8;
        run.time("token", 1, positions - 1, positions, bytes, "GB/s");
      }
    }
  }

  private static final class Run {
    private final AttentionShape shape;
    private final KeyValueLayout layout;
    private final int positions;
    private final Workers workers;
    private final MemorySegment[] pages;
    private final int[] table;
    private final Heads queries;
    private final MemorySegment out;
    private final AttentionKernel[] kernels;

    Run(AttentionShape shape, KeyValueLayout layout, int positions, Workers workers) {
      this.shape = shape;
      this.layout = layout;
      this.positions = positions;
      this.workers = workers;
      var arena = Arena.ofAuto();
      var random = new Random(1);
      int width = shape.heads() * Math.max(shape.keySize(), shape.valueSize());
      var rows = arena.allocate(4L * positions * width, 64);
      for (long i = 0; i < (long) positions * width; i++) {
        rows.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextGaussian());
      }
      queries = new Heads(rows, 0, width, shape.keySize(), shape.heads());
      var keys = new Heads(rows, 0, width, shape.keySize(), shape.keyValueHeads());
      var values = new Heads(rows, 0, width, shape.valueSize(), shape.keyValueHeads());
      out = arena.allocate(4L * positions * width, 64);
      pages = new MemorySegment[Math.ceilDiv(positions, KeyValueLayout.POSITIONS)];
      table = new int[pages.length];
      for (int i = 0; i < pages.length; i++) {
        table[i] = i;
        pages[i] = arena.allocate(layout.bytes(), 64);
        int first = i * KeyValueLayout.POSITIONS;
        int count = Math.min(KeyValueLayout.POSITIONS, positions - first);
        for (int h = 0; h < shape.keyValueHeads(); h++) {
          layout.store(keys, values, first, count, h, pages[i], 0);
        }
      }
      kernels = new AttentionKernel[workers.count()];
      for (int i = 0; i < kernels.length; i++) {
        kernels[i] = new VectorProvider().attention(shape, layout);
      }
    }

    void time(String name, int tile, int from, int to, double work, String unit) {
      int tiles = Math.ceilDiv(to - from, tile);
      var next = new AtomicInteger();
      var seconds = new double[REPEATS];
      for (int warm = 0; warm < 20; warm++) {
        pass(tile, from, to, tiles, next);
      }
      for (int i = 0; i < REPEATS; i++) {
        long start = time();
        pass(tile, from, to, tiles, next);
        seconds[i] = (time() - start) / 1e9;
      }
      Arrays.sort(seconds);
      System.out.printf(
          "%-9s %-7s best %8.3f ms %6.1f %s   median %8.3f ms %6.1f%n",
          layout.label(),
          name,
          seconds[0] * 1e3,
          work / seconds[0] / 1e9,
          unit,
          seconds[REPEATS / 2] * 1e3,
          work / seconds[REPEATS / 2] / 1e9);
    }

    private long time() {
      return workers.count() > 1
          ? System.nanoTime()
          : ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
    }

    private void pass(int tile, int from, int to, int tiles, AtomicInteger next) {
      next.set(0);
      workers.run((part, parts) -> work(kernels[part], tile, from, to, tiles, next));
    }

    private void work(
        AttentionKernel kernel, int tile, int from, int to, int tiles, AtomicInteger next) {
      var task = new AttentionTask();
      for (int i = next.getAndIncrement();
          i < tiles * shape.keyValueHeads();
          i = next.getAndIncrement()) {
        int first = from + (tiles - 1 - i / shape.keyValueHeads()) * tile;
        task.queries = queries;
        task.row = first;
        task.position = first;
        task.tokens = Math.min(tile, to - first);
        task.length = positions;
        task.head = i % shape.keyValueHeads();
        task.from = 0;
        task.to = positions;
        task.pages = pages;
        task.table = table;
        task.out = out;
        kernel.attend(task);
      }
    }
  }
}

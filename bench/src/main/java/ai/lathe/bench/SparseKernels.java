package ai.lathe.bench;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.sparse.SparseChoice;
import ai.lathe.runtime.measure.MachineLimits;
import ai.lathe.runtime.measure.MachineLoops;
import ai.lathe.runtime.provider.Providers;
import ai.lathe.tensor.Sparse;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Sparse weights beside the same ones with their zeros: {@code tools/bench SparseKernels THREADS
 * COLUMNS ROWS TOKENS... [WORD...]}. Both in turns, A B A B; printed are the median of each, the
 * median of the ratios of neighbours, and the same by processor time, which other processes disturb
 * less. ROWS decide whether weights are in memory or in a cache. Words choose among cases and
 * providers, those of one argument with commas between them being alternatives: {@code int8,BF16
 * 2:4 vector}.
 */
final class SparseKernels {

  private static final int ROUNDS = 25;

  /** Of one sample. */
  private static final double SECONDS = 0.005;

  /**
   * Bytes of weights above which a sample is one product: a second one would find in the last cache
   * what is left of sparse weights, and dense ones of the same shape do not fit there.
   */
  private static final double SMALL = 16e6;

  /** What goes into each kernel before anything counts. */
  private static final double WARM = 1;

  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

  private SparseKernels() {}

  public static void main(String[] args) {
    int columns = Integer.parseInt(args[1]);
    int rows = Integer.parseInt(args[2]);
    var rest = Arrays.stream(args).skip(3).toList();
    var tokens = rest.stream().filter(a -> a.matches("\\d+")).mapToInt(Integer::parseInt).toArray();
    var words = rest.stream().filter(a -> !a.matches("\\d+")).toList();
    try (var workers = new Workers(Integer.parseInt(args[0]))) {
      double bandwidth =
          MachineLimits.measure(workers, MachineLoops.best()).readBytesPerSecond() / 1e9;
      System.out.printf("reads %.1f GB/s at most%n", bandwidth);
      for (var weights : SparseWeights.all()) {
        for (var name : List.of("vector", "emitted")) {
          if (chosen(words, weights.label() + " " + name) && runs(name)) {
            var provider = Providers.choose(name, SparseChoice.ALWAYS);
            try (var arena = Arena.ofShared()) {
              compare(weights.make(rows, columns), provider, tokens, workers, bandwidth, arena);
            }
          }
        }
      }
    }
  }

  /** A word of each kind that is named. */
  private static boolean chosen(List<String> words, String label) {
    var parts = List.of(label.split(" "));
    var providers = List.of("vector", "emitted");
    return words.stream()
            .map(word -> word.contains(",") ? List.of(word.split(",")) : List.of(word))
            .allMatch(any -> any.stream().anyMatch(parts::contains))
        && providers.stream().anyMatch(parts::contains);
  }

  private static boolean runs(String name) {
    return Providers.offers().stream()
        .anyMatch(offer -> offer.name().equals(name) && offer.refusal().isEmpty());
  }

  private static void compare(
      Sparse weight,
      KernelProvider provider,
      int[] tokens,
      Workers workers,
      double bandwidth,
      Arena arena) {
    var dense = new Side(provider.prepare(weight.dense(), arena), workers);
    var sparse = new Side(provider.prepare(weight, arena), workers);
    System.out.printf("%s, %s%n", provider.name(), weight.encoding().label());
    System.out.println("  dense   " + dense.matrix.label());
    System.out.println("  sparse  " + sparse.matrix.label());
    for (int count : tokens) {
      dense.start(count);
      sparse.start(count);
      var ratios = new double[ROUNDS];
      var busyRatios = new double[ROUNDS];
      for (int round = 0; round < ROUNDS; round++) {
        dense.sample(round);
        sparse.sample(round);
        ratios[round] = dense.seconds[round] / sparse.seconds[round];
        busyRatios[round] = dense.busy[round] / sparse.busy[round];
      }
      System.out.printf(
          "%4d tokens  %7.3f ms dense, %7.3f ms sparse: %.2f times as fast (%.2f by processor time);"
              + " at best %.3f and %.3f ms, %.2f times; %.1f and %.1f MB, %.0f %% and %.0f %% of"
              + " reading%n",
          count,
          1e3 * median(dense.seconds),
          1e3 * median(sparse.seconds),
          median(ratios),
          median(busyRatios),
          1e3 * least(dense.seconds),
          1e3 * least(sparse.seconds),
          least(dense.seconds) / least(sparse.seconds),
          dense.matrix.bytes() / 1e6,
          sparse.matrix.bytes() / 1e6,
          dense.share(bandwidth),
          sparse.share(bandwidth));
    }
  }

  private static double median(double[] values) {
    return Arrays.stream(values).sorted().toArray()[values.length / 2];
  }

  private static double least(double[] values) {
    return Arrays.stream(values).min().orElseThrow();
  }

  /** One of the two that are compared. */
  private static final class Side implements Workers.Task {
    private final PackedMatrix matrix;
    private final Workers workers;
    private final Input input;
    private final AtomicLong nanos = new AtomicLong();
    private final double[] seconds = new double[ROUNDS];
    private final double[] busy = new double[ROUNDS];
    private MemorySegment x;
    private MemorySegment out;
    private int tokens;
    private int repeats;

    Side(PackedMatrix matrix, Workers workers) {
      this.matrix = matrix;
      this.workers = workers;
      this.input = new Input(workers);
    }

    void start(int newTokens) {
      tokens = newTokens;
      var random = new Random(2);
      var values = new float[tokens * matrix.columns()];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) random.nextGaussian();
      }
      x = Arena.ofAuto().allocateFrom(ValueLayout.JAVA_FLOAT, values);
      out = Arena.ofAuto().allocate(4L * tokens * matrix.rows(), 64);
      // By processor time: on a busy machine the compiler waits as long as this does.
      nanos.set(0);
      for (int i = 0; i < 3 || nanos.get() < WARM * 1e9 * workers.count(); i++) {
        multiply();
      }
      long start = System.nanoTime();
      multiply();
      double most = Math.min(SECONDS * 1e9 / (System.nanoTime() - start), SMALL / matrix.bytes());
      repeats = (int) Math.max(1, most);
    }

    void sample(int round) {
      nanos.set(0);
      long start = System.nanoTime();
      for (int i = 0; i < repeats; i++) {
        multiply();
      }
      seconds[round] = (System.nanoTime() - start) / 1e9 / repeats;
      busy[round] = nanos.get() / 1e9 / repeats;
    }

    private void multiply() {
      long own = THREADS.getCurrentThreadCpuTime();
      input.set(x, tokens, matrix.columns());
      matrix.prepare(input);
      nanos.addAndGet(THREADS.getCurrentThreadCpuTime() - own);
      workers.run(this, 4 * workers.count());
    }

    @Override
    public void run(int part, int parts) {
      long own = THREADS.getCurrentThreadCpuTime();
      int stripe = matrix.stripe();
      int stripes = Math.ceilDiv(matrix.rows(), stripe);
      int from = (int) ((long) stripes * part / parts) * stripe;
      int to = Math.min((int) ((long) stripes * (part + 1) / parts) * stripe, matrix.rows());
      matrix.multiply(input, from, to, out, 0, matrix.rows());
      nanos.addAndGet(THREADS.getCurrentThreadCpuTime() - own);
    }

    /** Of the bandwidth, in percent. */
    double share(double bandwidth) {
      return matrix.bytes() / median(seconds) / 1e9 / bandwidth * 100;
    }
  }
}

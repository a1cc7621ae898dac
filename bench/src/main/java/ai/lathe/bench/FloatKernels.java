package ai.lathe.bench;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.vector.VectorProvider;
import ai.lathe.runtime.measure.MachineLoops;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.FloatQuantized;
import ai.lathe.tensor.FloatScheme;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.ScaleTile;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Products of float weights alone: {@code tools/bench FloatKernels THREADS COLUMNS ROWS TOKENS...}.
 * Every number of tokens is timed for every type of weights, types in turn, with what the input's
 * forms cost; rates in operations and in bytes of weights, best and median, beside what the machine
 * can do. ROWS decide whether the weights are in memory or in a cache. One thread is timed by the
 * processor time that it got, several by the clock.
 */
final class FloatKernels {

  static final int ROUNDS = 9;

  /** Of one sample. */
  private static final double SECONDS = 0.03;

  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

  private FloatKernels() {}

  public static void main(String[] args) {
    int threads = Integer.parseInt(args[0]);
    int columns = Integer.parseInt(args[1]);
    int rows = Integer.parseInt(args[2]);
    try (var workers = new Workers(threads)) {
      var runs = new ArrayList<Run>();
      var peaks = new Peaks(workers);
      KernelProvider provider = new VectorProvider();
      for (var weight : weights(rows, columns)) {
        runs.add(new Run(provider.prepare(weight, Arena.ofAuto()), workers));
      }
      for (int i = 3; i < args.length; i++) {
        int tokens = Integer.parseInt(args[i]);
        runs.forEach(run -> run.start(tokens));
        for (int round = 0; round < ROUNDS; round++) {
          runs.forEach(Run::sample);
          peaks.sample();
        }
        peaks.print();
        runs.forEach(Run::print);
      }
    }
  }

  private static List<LinearWeight> weights(int rows, int columns) {
    var random = new Random(1);
    var row = new float[columns];
    var weights = new ArrayList<LinearWeight>();
    for (var type : new DType[] {DType.F32, DType.BF16, DType.F16}) {
      var data = Arena.ofAuto().allocate(type.bytes((long) rows * columns), 64);
      for (int r = 0; r < rows; r++) {
        for (int k = 0; k < columns && r < 64; k++) {
          row[k] = (float) (0.02 * random.nextGaussian());
        }
        Tensor.putFloats(type, row, columns, data, (long) r * columns);
      }
      weights.add(new Dense(new Tensor(type, new long[] {rows, columns}, data)));
    }
    for (var tile : new ScaleTile[] {ScaleTile.CHANNEL, ScaleTile.group(32)}) {
      var scheme = FloatScheme.fp8(tile, Activations.NONE);
      var codes = new byte[rows * columns];
      for (int i = 0; i < codes.length; i++) {
        codes[i] =
            i < 1 << 20
                ? scheme.type().encode((float) (100 * random.nextGaussian()))
                : codes[i - (1 << 20)];
      }
      var scales = new float[rows * tile.across(columns)];
      Arrays.fill(scales, 2e-4f);
      weights.add(
          new FloatQuantized(
              scheme,
              rows,
              columns,
              codes,
              Tensor.ofFloats(scales, rows, tile.across(columns)),
              1,
              Float.NaN));
    }
    return weights;
  }

  /** The processor time that a thread got, where there is one; the clock's where others help it. */
  private static long now(Workers workers) {
    return workers.count() == 1 ? THREADS.getCurrentThreadCpuTime() : System.nanoTime();
  }

  /** What the multipliers can do, measured between the others' samples. */
  static final class Peaks {
    private final MachineLoops loops = MachineLoops.best();
    private final Workers workers;
    private final AtomicLong sink = new AtomicLong();
    private final double[] rates = new double[ROUNDS];
    private int samples;

    Peaks(Workers workers) {
      this.workers = workers;
      while (workers.count() * loops.operationsPerRound() * 1e5 > 1e7 * samples++) {
        workers.run((_, _) -> sink.addAndGet(loops.multiply(100_000)));
      }
      samples = 0;
    }

    void sample() {
      int rounds = (int) (1e9 / loops.operationsPerRound());
      long start = now(workers);
      workers.run((_, _) -> sink.addAndGet(loops.multiply(rounds)));
      double operations = (double) workers.count() * rounds * loops.operationsPerRound();
      rates[samples++ % ROUNDS] = operations / (now(workers) - start);
    }

    void print() {
      Arrays.sort(rates);
      System.out.printf(
          "multipliers  %6.1f / %6.1f GFLOP/s, %s%n",
          rates[ROUNDS - 1], rates[ROUNDS / 2], loops.arithmetic());
    }
  }

  static final class Run {
    private final PackedMatrix matrix;
    private final Workers workers;
    private final Input input;
    private final double[] seconds = new double[ROUNDS];
    private int tokens;
    private int samples;
    private int repeats;
    private MemorySegment x;
    private MemorySegment out;

    Run(PackedMatrix matrix, Workers workers) {
      this.matrix = matrix;
      this.workers = workers;
      this.input = new Input(workers);
    }

    void start(int newTokens) {
      tokens = newTokens;
      samples = 0;
      var values = new float[tokens * matrix.columns()];
      var random = new Random(2);
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) random.nextGaussian();
      }
      x = Arena.ofAuto().allocateFrom(ValueLayout.JAVA_FLOAT, values);
      out = Arena.ofAuto().allocate(4L * tokens * matrix.rows(), 64);
      long began = System.nanoTime();
      int count = 0;
      while (System.nanoTime() - began < 4e8 || count < 3) {
        multiply();
        count++;
      }
      double one = Double.MAX_VALUE;
      for (int i = 0; i < 3; i++) {
        one = Math.min(one, time(1));
      }
      repeats = (int) Math.max(1, SECONDS / one);
    }

    private void multiply() {
      input.set(x, tokens, matrix.columns());
      matrix.prepare(input);
      int stripe = matrix.stripe();
      int stripes = Math.ceilDiv(matrix.rows(), stripe);
      workers.run(
          (part, parts) -> {
            int from = (int) ((long) stripes * part / parts * stripe);
            long to = (long) stripes * (part + 1) / parts * stripe;
            int rows = matrix.rows();
            matrix.multiply(input, from, (int) Math.min(to, rows), out, 0, rows);
          });
    }

    private double time(int times) {
      long start = now(workers);
      for (int i = 0; i < times; i++) {
        multiply();
      }
      return (now(workers) - start) / 1e9 / times;
    }

    void sample() {
      seconds[samples++] = time(repeats);
    }

    void print() {
      Arrays.sort(seconds);
      double best = seconds[0];
      double median = seconds[ROUNDS / 2];
      double operations = 2.0 * matrix.rows() * matrix.columns() * tokens / 1e9;
      double bytes = matrix.bytes() / 1e9;
      System.out.printf(
          "%4d tokens  %6.1f / %6.1f GFLOP/s  %6.2f / %6.2f GB/s  %s%n",
          tokens,
          operations / best,
          operations / median,
          bytes / best,
          bytes / median,
          matrix.label());
    }
  }
}

package ai.lathe.bench;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.measure.MachineLimits;
import ai.lathe.runtime.measure.MachineLoops;
import ai.lathe.runtime.provider.Providers;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * Linear layers as products of factors, beside the same layers dense:
 *
 * <pre>
 * tools/bench FactorKernels THREADS MEGABYTES OUTxIN,... TOKENS,... TYPE,... PROVIDER,... LEVEL...
 * tools/bench FactorKernels 2 1024 2048x2048,576x1536 1,8,512 BF16 vector,emitted svd:0.5 rocket:0.5
 * </pre>
 *
 * A sample goes once through as many layers as make so many megabytes of dense weights, each with
 * weights of its own, as a token does: with more than the last cache holds, both sides read from
 * memory; with 0, one layer again and again. Both in turns, A B A B. Printed are medians for one
 * layer, the median of the ratios of neighbours, that of the best of each, and for one token how
 * much of what the machine reads each takes. For many tokens a few layers are enough. One thread is
 * timed by the processor time that it got, several by the clock.
 */
final class FactorKernels {

  static final int ROUNDS = 15;

  /** Tokens from which products are bound by computing. */
  private static final int MANY = 32;

  /** Layers that are gone through with so many. */
  private static final int MOST_WITH_MANY = 2;

  /** Of one sample, at least. */
  private static final double SECONDS = 0.005;

  /** Of each side, before anything counts. */
  private static final double WARM = 0.4;

  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

  private FactorKernels() {}

  public static void main(String[] args) {
    if (args.length < 7) {
      throw new LatheException(
          "FactorKernels THREADS MEGABYTES OUTxIN,... TOKENS,... TYPE,... PROVIDER,... LEVEL...");
    }
    long bytes = Long.parseLong(args[1]) << 20;
    var tokens = Arrays.stream(args[3].split(",")).mapToInt(Integer::parseInt).toArray();
    try (var workers = new Workers(Integer.parseInt(args[0]))) {
      double bandwidth =
          MachineLimits.measure(workers, MachineLoops.best()).readBytesPerSecond() / 1e9;
      System.out.printf("reads %.1f GB/s at most%n", bandwidth);
      for (var shape : args[2].split(",")) {
        int rows = Integer.parseInt(shape.split("x")[0]);
        int columns = Integer.parseInt(shape.split("x")[1]);
        for (var type : args[4].split(",")) {
          for (var provider : args[5].split(",")) {
            var levels = List.of(args).subList(6, args.length);
            new Comparison(
                    workers, bandwidth, bytes, DType.valueOf(type), Providers.choose(provider))
                .run(rows, columns, levels, tokens);
          }
        }
      }
    }
  }

  /** Of one provider and type. */
  private record Comparison(
      Workers workers, double bandwidth, long bytes, DType type, KernelProvider provider) {

    void run(int rows, int columns, List<String> levels, int[] tokens) {
      var plain = new Encoding.Plain(type);
      int layers = (int) Math.max(1, Math.ceilDiv(bytes, plain.bytes(rows, columns)));
      System.out.printf(
          "%d x %d, %s, %s, %d layers%n", rows, columns, type, provider.name(), layers);
      try (var arena = Arena.ofShared()) {
        var dense = new Side(layers(plain, rows, columns, layers, arena), workers);
        for (var level : levels) {
          try (var ofLevel = Arena.ofShared()) {
            var encoding = FactorWeights.encoding(level, type, rows, columns);
            var factored = new Side(layers(encoding, rows, columns, layers, ofLevel), workers);
            System.out.printf("  %s: %s%n", level, factored.layers.getFirst().label());
            for (int count : tokens) {
              compare(count, dense, factored);
            }
          } catch (LatheException e) {
            System.out.printf("  %s: %s%n", level, e.getMessage());
          }
        }
      }
    }

    private List<PackedMatrix> layers(
        Encoding encoding, int rows, int columns, int count, Arena arena) {
      var random = new FactorWeights(arena);
      var layers = new ArrayList<PackedMatrix>();
      for (int i = 0; i < count; i++) {
        layers.add(provider.prepare(random.of(encoding, rows, columns), arena));
      }
      return layers;
    }

    private void compare(int tokens, Side dense, Side factored) {
      dense.start(tokens);
      factored.start(tokens);
      var ratios = new double[ROUNDS];
      for (int round = 0; round < ROUNDS; round++) {
        dense.sample(round);
        factored.sample(round);
        ratios[round] = dense.seconds[round] / factored.seconds[round];
      }
      System.out.printf(
          "%6d token%s %9.2f us dense, %9.2f us factors: %.2f times as fast, %.2f at best%s%n",
          tokens,
          tokens == 1 ? " " : "s",
          1e6 * median(dense.seconds),
          1e6 * median(factored.seconds),
          median(ratios),
          least(dense.seconds) / least(factored.seconds),
          tokens > 1
              ? ""
              : "; %.2f and %.2f MB, %.0f %% and %.0f %% of reading"
                  .formatted(
                      dense.megabytes(),
                      factored.megabytes(),
                      dense.share(bandwidth),
                      factored.share(bandwidth)));
    }
  }

  /** The median of how many times as long the one takes, of so many rounds. */
  static double ratio(int tokens, Side one, Side other, int rounds) {
    one.start(tokens);
    other.start(tokens);
    var ratios = new double[rounds];
    for (int round = 0; round < rounds; round++) {
      other.sample(round);
      one.sample(round);
      ratios[round] = one.seconds[round] / other.seconds[round];
    }
    return median(ratios);
  }

  static double median(double[] values) {
    return Arrays.stream(values).sorted().toArray()[values.length / 2];
  }

  private static double least(double[] values) {
    return Arrays.stream(values).min().orElseThrow();
  }

  /** One of the two that are compared. */
  static final class Side implements Workers.Task {
    private final List<PackedMatrix> layers;
    private final Workers workers;
    private final Input input;
    final double[] seconds = new double[ROUNDS];
    private MemorySegment x;
    private MemorySegment out;
    private PackedMatrix layer;
    private int tokens;
    private int count;
    private int repeats;

    Side(List<PackedMatrix> layers, Workers workers) {
      this.layers = layers;
      this.workers = workers;
      this.input = new Input(workers);
    }

    String label() {
      return layers.getFirst().label();
    }

    void start(int newTokens) {
      tokens = newTokens;
      count = tokens < MANY ? layers.size() : Math.min(MOST_WITH_MANY, layers.size());
      var first = layers.getFirst();
      var random = new Random(2);
      var values = new float[tokens * first.columns()];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) random.nextGaussian();
      }
      x = Arena.ofAuto().allocateFrom(ValueLayout.JAVA_FLOAT, values);
      out = Arena.ofAuto().allocate(4L * tokens * first.rows(), 64);
      long began = now();
      long last = 0;
      for (int i = 0; i < 2 || now() - began < WARM * 1e9; i++) {
        long start = now();
        pass();
        last = now() - start;
      }
      repeats = (int) Math.max(1, SECONDS * 1e9 / last);
    }

    void sample(int round) {
      long start = now();
      for (int i = 0; i < repeats; i++) {
        pass();
      }
      seconds[round] = (now() - start) / 1e9 / repeats / count;
    }

    private long now() {
      return workers.count() == 1 ? THREADS.getCurrentThreadCpuTime() : System.nanoTime();
    }

    private void pass() {
      for (int i = 0; i < count; i++) {
        layer = layers.get(i);
        input.set(x, tokens, layer.columns());
        layer.prepare(input);
        workers.run(this, 4 * workers.count());
      }
    }

    @Override
    public void run(int part, int parts) {
      int stripe = layer.stripe(tokens);
      int stripes = Math.ceilDiv(layer.rows(), stripe);
      int from = (int) ((long) stripes * part / parts) * stripe;
      int to = Math.min((int) ((long) stripes * (part + 1) / parts) * stripe, layer.rows());
      if (from < to) {
        layer.multiply(input, from, to, out, 0, layer.rows());
      }
    }

    double megabytes() {
      return layers.getFirst().bytes() / 1e6;
    }

    /** Of the bandwidth, in percent. */
    double share(double bandwidth) {
      return layers.getFirst().bytes() / median(seconds) / 1e9 / bandwidth * 100;
    }
  }
}

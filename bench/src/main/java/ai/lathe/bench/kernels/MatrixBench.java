package ai.lathe.bench.kernels;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.measure.MachineLimits;
import ai.lathe.runtime.measure.MachineLoops;
import ai.lathe.runtime.provider.Providers;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import ai.lathe.tensor.block.BlockEncoder;
import ai.lathe.tensor.block.BlockTypes;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.CommandLineOptionException;
import org.openjdk.jmh.runner.options.CommandLineOptions;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;

/**
 * Products of one matrix, with the making of the input's form, on one thread, after JMH's own
 * warm-up. With one token the matrix is one of several, which together are larger than caches of
 * the core.
 *
 * <pre>
 * kernels.MatrixBench [JMH options, for example -p kernels=vector -p type=Q4_0 -p tokens=1,512]
 * </pre>
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class MatrixBench {

  private static final int COPIES = 8;

  @Param({"emitted", "vector"})
  public String kernels;

  @Param({"Q4_0", "Q8_0", "Q4_K", "Q6_K"})
  public String type;

  /** Outputs by inputs. */
  @Param({"2048x2048", "5632x2048", "2048x5632"})
  public String shape;

  @Param({"1", "512"})
  public int tokens;

  private final PackedMatrix[] matrices = new PackedMatrix[COPIES];
  private Arena arena;
  private Workers workers;
  private Input input;
  private MemorySegment values;
  private MemorySegment out;
  private int next;

  @Setup(Level.Trial)
  public void prepare() {
    arena = Arena.ofShared();
    workers = new Workers(1);
    input = new Input(workers);
    int rows = rows(shape);
    int columns = columns(shape);
    var weight = weight(rows, columns);
    for (int i = 0; i < COPIES; i++) {
      matrices[i] = Providers.choose(kernels).prepare(weight, arena);
    }
    values = random((long) tokens * columns);
    out = arena.allocate((long) tokens * rows * Float.BYTES, 64);
  }

  @TearDown(Level.Trial)
  public void close() {
    workers.close();
    arena.close();
  }

  @Benchmark
  public MemorySegment multiply() {
    var matrix = matrices[next++ % COPIES];
    input.set(values, tokens, matrix.columns());
    matrix.prepare(input);
    matrix.multiply(input, 0, matrix.rows(), out, 0, matrix.rows());
    return out;
  }

  private LinearWeight weight(int rows, int columns) {
    var dense =
        new Dense(new Tensor(DType.F32, new long[] {rows, columns}, random((long) rows * columns)));
    return BlockEncoder.encode(BlockTypes.named(type), dense, null, arena);
  }

  private MemorySegment random(long count) {
    var random = new SplittableRandom(1);
    var memory = arena.allocate(count * Float.BYTES, 64);
    for (long i = 0; i < count; i++) {
      memory.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextGaussian());
    }
    return memory;
  }

  private static int rows(String shape) {
    return Integer.parseInt(shape.substring(0, shape.indexOf('x')));
  }

  private static int columns(String shape) {
    return Integer.parseInt(shape.substring(shape.indexOf('x') + 1));
  }

  /** A Markdown table: the rates that a quarter of the samples reached, beside the machine's. */
  public static void main(String[] arguments) throws CommandLineOptionException, RunnerException {
    var options =
        new OptionsBuilder()
            .parent(new CommandLineOptions(arguments))
            .include(MatrixBench.class.getName() + ".multiply")
            .warmupIterations(2)
            .warmupTime(TimeValue.seconds(2))
            .measurementIterations(3)
            .measurementTime(TimeValue.seconds(1))
            .forks(1)
            .build();
    var results = new Runner(options).run();
    try (var workers = new Workers(1)) {
      var limits = MachineLimits.measure(workers, MachineLoops.best());
      System.out.printf(
          Locale.ROOT,
          "%none thread: %.1f GB/s read, %.0f GOP/s of %s%n%n"
              + "| kernels | type | shape | tokens | us | GOP/s | GB/s |%n|---|---|---|---|---|---|---|%n",
          limits.readBytesPerSecond() / 1e9,
          limits.operationsPerSecond() / 1e9,
          limits.arithmetic());
    }
    for (var result : results) {
      var given = result.getParams();
      double micros = result.getPrimaryResult().getStatistics().getPercentile(25);
      var shape = given.getParam("shape");
      double elements = (double) rows(shape) * columns(shape);
      var type = BlockTypes.named(given.getParam("type"));
      System.out.printf(
          Locale.ROOT,
          "| %s | %s | %s | %s | %.1f | %.0f | %.1f |%n",
          given.getParam("kernels"),
          type.name(),
          shape,
          given.getParam("tokens"),
          micros,
          2 * elements * Integer.parseInt(given.getParam("tokens")) / micros / 1e3,
          elements * type.bytes() / type.size() / micros / 1e3);
    }
  }
}

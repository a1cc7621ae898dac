package ai.lathe.bench;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.quantization.ColumnOrder;
import ai.lathe.compress.quantization.Gptq;
import ai.lathe.compress.quantization.IntegerGrid;
import ai.lathe.compress.quantization.OutputError;
import ai.lathe.compress.quantization.ScaleSearch;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.Parallel;
import ai.lathe.tensor.linalg.View;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch;

/**
 * How long GPTQ takes for one layer, from the Gram matrix to the quantized weight: 4 bits, groups
 * of 128, symmetric. Beside each time, the floor that its multiplications set at the rate that a
 * plain matrix product reaches in the same run.
 *
 * <p>Arguments: rounds (default 5), then shapes as {@code OUTxIN} (default {@code 5632x2048
 * 2048x5632}).
 */
public final class GptqBench {

  private static final int PRODUCT = 2048;

  private GptqBench() {}

  public static void main(String[] arguments) {
    int rounds = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 5;
    var shapes =
        arguments.length > 1
            ? Arrays.copyOfRange(arguments, 1, arguments.length)
            : new String[] {"5632x2048", "2048x5632"};
    System.out.printf("kernel: %s; %d threads%n", Gemm.kernel(), Parallel.threads());
    double rate = productRate(rounds);
    System.out.printf(
        "float32 product of %1$d x %1$d: %2$.0f GFLOP/s here, %3$.0f by LibTorch%n",
        PRODUCT, rate / 1e9, libTorchRate(rounds) / 1e9);
    System.out.printf(
        "%-12s %-7s %-8s %8s %8s %8s %8s %6s %10s%n",
        "out x in", "order", "scales", "min s", "median s", "cpu s", "floor s", "ratio", "error");
    for (var shape : shapes) {
      var sides = shape.split("x");
      measure(Integer.parseInt(sides[0]), Integer.parseInt(sides[1]), rounds, rate);
    }
  }

  private static void measure(int out, int in, int rounds, double rate) {
    var layer = new Layer("layer", random(out, in, 1));
    var gram = gram(in);
    var statistics = LayerStatistics.of(in, gram);
    // Two thirds of n^3 for the factor of the inverse; each error times what follows it in the row.
    double floor = (2.0 / 3 * in * in * in + (double) out * in * in) / rate;
    var scheme = new IntegerScheme(4, 128, true, Activations.NONE);
    for (var search : ScaleSearch.values()) {
      for (var order : List.of(ColumnOrder.STATIC, ColumnOrder.NONE)) {
        var grid = new IntegerGrid(scheme, search, DType.F16);
        var level = List.of(new Gptq.Config(grid, order, 128, 0.01));
        var seconds = new double[rounds];
        double processor = Double.POSITIVE_INFINITY;
        double error = 0;
        for (int i = 0; i < rounds; i++) {
          long before = processorTime();
          long start = System.nanoTime();
          var solution = new Gptq().solve(layer, statistics, level).getFirst();
          seconds[i] = (System.nanoTime() - start) / 1e9;
          processor = Math.min(processor, (processorTime() - before) / 1e9);
          if (i == 0) {
            error = OutputError.relative(layer.weight(), solution.weight(), gram);
          }
        }
        Arrays.sort(seconds);
        System.out.printf(
            "%-12s %-7s %-8s %8.3f %8.3f %8.3f %8.3f %6.2f %10.5f%n",
            out + " x " + in,
            order.name().toLowerCase(Locale.ROOT),
            search.name().toLowerCase(Locale.ROOT).replace('_', '-'),
            seconds[0],
            seconds[rounds / 2],
            processor,
            floor,
            seconds[0] / floor,
            error);
      }
    }
  }

  /** Nanoseconds that all threads of this process have computed. */
  static long processorTime() {
    var system = ManagementFactory.getOperatingSystemMXBean();
    return ((com.sun.management.OperatingSystemMXBean) system).getProcessCpuTime();
  }

  /** Operations a second, best of several. */
  private static double productRate(int rounds) {
    var a = View.of(random(PRODUCT, PRODUCT, 2));
    var b = View.of(random(PRODUCT, PRODUCT, 3));
    var c = View.of(Matrix.zeros(PRODUCT, PRODUCT));
    return rate(rounds, () -> Gemm.add(c, a, b));
  }

  private static double libTorchRate(int rounds) {
    torch.set_num_threads(Parallel.threads());
    try (var scope = new PointerScope()) {
      var a = torch.rand(PRODUCT, PRODUCT);
      var b = torch.rand(PRODUCT, PRODUCT);
      return rate(rounds, () -> a.mm(b).close());
    }
  }

  private static double rate(int rounds, Runnable product) {
    double best = Double.POSITIVE_INFINITY;
    for (int i = 0; i < rounds + 3; i++) {
      long start = System.nanoTime();
      product.run();
      best = Math.min(best, (System.nanoTime() - start) / 1e9);
    }
    return 2.0 * PRODUCT * PRODUCT * PRODUCT / best;
  }

  static Matrix random(int rows, int columns, long seed) {
    var random = new SplittableRandom(seed);
    var matrix = Matrix.zeros(rows, columns);
    for (int i = 0; i < matrix.values().length; i++) {
      matrix.values()[i] = (float) random.nextGaussian();
    }
    return matrix;
  }

  /** Of inputs that share causes: {@code X = A Z + noise}, with an eighth as many causes. */
  static Matrix gram(int in) {
    int tokens = 1024;
    var x = random(in, tokens, 4);
    Gemm.add(View.of(x), View.of(random(in, in / 8, 5)), View.of(random(in / 8, tokens, 6)));
    var gram = Matrix.zeros(in, in);
    Gemm.add(View.of(gram), View.of(x), View.of(x).transposed());
    // Sums run in the same order on both sides of the diagonal, but the tiles round differently.
    for (int i = 0; i < in; i++) {
      for (int j = 0; j < i; j++) {
        gram.set(i, j, gram.at(j, i));
      }
    }
    return gram;
  }
}

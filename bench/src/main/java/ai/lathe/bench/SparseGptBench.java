package ai.lathe.bench;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.pruning.Kept;
import ai.lathe.compress.pruning.SparseGpt;
import ai.lathe.compress.pruning.Sparsity;
import ai.lathe.compress.quantization.Gptq;
import ai.lathe.compress.quantization.IntegerGrid;
import ai.lathe.compress.quantization.InverseFactor;
import ai.lathe.compress.quantization.OutputError;
import ai.lathe.compress.quantization.ScaleSearch;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.Parallel;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * How long SparseGPT takes for one layer, from the Gram matrix to the sparse weight, the
 * factorisation included: half of the weights, 2:4, blocks of 1x4, and half of the weights rounded
 * to 4 bits in the same sweep.
 *
 * <p>Arguments: rounds (default 5), then shapes as {@code OUTxIN} (default {@code 5632x2048}).
 */
public final class SparseGptBench {

  private SparseGptBench() {}

  public static void main(String[] arguments) {
    int rounds = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 5;
    var shapes =
        arguments.length > 1
            ? Arrays.copyOfRange(arguments, 1, arguments.length)
            : new String[] {"5632x2048"};
    System.out.printf("kernel: %s; %d threads%n", Gemm.kernel(), Parallel.threads());
    System.out.printf(
        "%-12s %-12s %-8s %8s %8s %8s %8s %10s%n",
        "out x in", "zeros", "kept", "min s", "median s", "cpu s", "factor s", "error");
    for (var shape : shapes) {
      var sides = shape.split("x");
      measure(Integer.parseInt(sides[0]), Integer.parseInt(sides[1]), rounds);
    }
  }

  private static void measure(int out, int in, int rounds) {
    var layer = new Layer("layer", GptqBench.random(out, in, 1));
    var gram = GptqBench.gram(in);
    var statistics = LayerStatistics.of(in, gram);
    double factor = Double.POSITIVE_INFINITY;
    for (int i = 0; i < rounds; i++) {
      long start = System.nanoTime();
      InverseFactor.of(gram, false, 0.01);
      factor = Math.min(factor, (System.nanoTime() - start) / 1e9);
    }
    var half = new Sparsity(0.5, Pattern.UNSTRUCTURED);
    var plain = new Kept.Plain(DType.BF16);
    var grid =
        new IntegerGrid(
            new IntegerScheme(4, 128, true, Activations.NONE), ScaleSearch.MIN_MAX, DType.F16);
    var codes = new Kept.Rounded(grid, Optional.of(Gptq.Config.of(grid)));
    for (var level :
        List.of(
            SparseGpt.Config.of(half, plain),
            SparseGpt.Config.of(Sparsity.of(Optional.empty(), Pattern.parse("2:4")), plain),
            SparseGpt.Config.of(new Sparsity(0.5, Pattern.parse("1x4")), plain),
            SparseGpt.Config.of(half, codes))) {
      var seconds = new double[rounds];
      double processor = Double.POSITIVE_INFINITY;
      double error = 0;
      for (int i = 0; i < rounds; i++) {
        long before = GptqBench.processorTime();
        long start = System.nanoTime();
        var solution = new SparseGpt().solve(layer, statistics, List.of(level)).getFirst();
        seconds[i] = (System.nanoTime() - start) / 1e9;
        processor = Math.min(processor, (GptqBench.processorTime() - before) / 1e9);
        if (i == 0) {
          error = OutputError.relative(layer.weight(), solution.weight(), gram);
        }
      }
      Arrays.sort(seconds);
      System.out.printf(
          Locale.ROOT,
          "%-12s %-12s %-8s %8.3f %8.3f %8.3f %8.3f %10.5f%n",
          out + " x " + in,
          level.sparsity().label(),
          level.kept().encoding().label().split(" ")[0],
          seconds[0],
          seconds[rounds / 2],
          processor,
          factor,
          error);
    }
  }
}

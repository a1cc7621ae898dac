package ai.lathe.bench;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.quantization.IntegerGrid;
import ai.lathe.compress.quantization.OutputError;
import ai.lathe.compress.quantization.QuantizationMethod;
import ai.lathe.compress.quantization.Quantizers;
import ai.lathe.compress.quantization.ScaleSearch;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Parallel;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;

/**
 * How long quantization to codebooks takes for one layer of random weights, from the Gram matrix to
 * the codes, and what it loses, at 2 bits; GPTQ beside it. Each is measured once.
 *
 * <p>Arguments: a shape as {@code OUTxIN} (default {@code 2048x2048}), then methods with their
 * settings, for example {@code vptq:rounds=0} (default: some of both methods).
 */
public final class CodebookBench {

  private static final List<String> USUAL =
      List.of(
          "gptq",
          "vptq:rounds=0",
          "vptq",
          "vptq:vector_length=8:centroids=65536:rounds=0:kmeans_iterations=3",
          "aqlm:pv=0");

  private CodebookBench() {}

  public static void main(String[] arguments) {
    var sides = (arguments.length > 0 ? arguments[0] : "2048x2048").split("x");
    var methods =
        arguments.length > 1 ? List.of(Arrays.copyOfRange(arguments, 1, arguments.length)) : USUAL;
    var weight = GptqBench.random(Integer.parseInt(sides[0]), Integer.parseInt(sides[1]), 1);
    var gram = GptqBench.gram(weight.columns());
    System.out.printf("%d threads; %s, 2 bits%n", Parallel.threads(), String.join(" x ", sides));
    System.out.printf(
        "%8s %8s %8s %10s  %s%n", "seconds", "cpu s", "bits", "error", "codebooks, settings");
    for (var method : methods) {
      var parts = method.split(":");
      var settings = new TreeMap<String, Object>();
      for (int i = 1; i < parts.length; i++) {
        var setting = parts[i].split("=", 2);
        settings.put(setting[0], setting[1]);
      }
      measure(Quantizers.named(parts[0]), settings, weight, gram);
    }
  }

  private static <C extends SolverConfig> void measure(
      QuantizationMethod<C> method, TreeMap<String, Object> settings, Matrix weight, Matrix gram) {
    var scheme = new IntegerScheme(2, 128, true, Activations.NONE);
    var config = method.config(new IntegerGrid(scheme, ScaleSearch.MSE, DType.F16), settings);
    var layer = new Layer("layer", weight);
    var statistics = LayerStatistics.of(1024, gram);
    long before = GptqBench.processorTime();
    long start = System.nanoTime();
    var solution = method.solve(layer, statistics, List.of(config)).getFirst();
    double seconds = (System.nanoTime() - start) / 1e9;
    double processor = (GptqBench.processorTime() - before) / 1e9;
    var encoding = solution.weight().encoding();
    System.out.printf(
        "%8.2f %8.2f %8.4f %10.5f  %s, %s %s%n",
        seconds,
        processor,
        8.0 * encoding.bytes(weight.rows(), weight.columns()) / weight.values().length,
        OutputError.relative(weight, solution.weight(), gram),
        encoding.label(),
        method.name(),
        settings);
  }
}

package ai.lathe.bench;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.quantization.Gptq;
import ai.lathe.compress.quantization.IntegerGrid;
import ai.lathe.compress.quantization.OutputError;
import ai.lathe.compress.quantization.QuantizationMethod;
import ai.lathe.compress.quantization.ScaleSearch;
import ai.lathe.compress.quantization.SpQr;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LinearWeight;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * SpQR's time beside GPTQ's for one layer at 3 bits, each with its defaults (GPTQ: groups of 128,
 * searched scales), in turns: {@code SpQrBench [ROUNDS [OUTxIN]]}. Seconds of the clock and of the
 * processor, all threads together.
 */
public final class SpQrBench {

  private SpQrBench() {}

  public static void main(String[] arguments) {
    int rounds = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 5;
    var sides = (arguments.length > 1 ? arguments[1] : "2048x2048").split("x");
    int in = Integer.parseInt(sides[1]);
    var layer = new Layer("layer", GptqBench.random(Integer.parseInt(sides[0]), in, 1));
    var statistics = LayerStatistics.of(in, GptqBench.gram(in));
    var scheme = new IntegerScheme(3, 128, true, Activations.NONE);
    var grid = new IntegerGrid(scheme, ScaleSearch.MSE, DType.F16);
    var clock = new double[2][rounds];
    var processor = new double[2][rounds];
    var error = new double[2];
    for (int round = -1; round < rounds; round++) {
      for (int method = 0; method < 2; method++) {
        long before = GptqBench.processorTime();
        long start = System.nanoTime();
        var weight =
            method == 0
                ? solve(new Gptq(), grid, layer, statistics)
                : solve(new SpQr(), grid, layer, statistics);
        if (round < 0) {
          var gram = statistics.gram().orElseThrow();
          error[method] = OutputError.relative(layer.weight(), weight, gram);
        } else {
          clock[method][round] = (System.nanoTime() - start) / 1e9;
          processor[method][round] = (GptqBench.processorTime() - before) / 1e9;
        }
      }
    }
    for (int method = 0; method < 2; method++) {
      Arrays.sort(clock[method]);
      Arrays.sort(processor[method]);
      System.out.printf(
          "%s: clock best %.3f median %.3f, processor best %.3f median %.3f, error %.5f%n",
          method == 0 ? "GPTQ" : "SpQR",
          clock[method][0],
          clock[method][rounds / 2],
          processor[method][0],
          processor[method][rounds / 2],
          error[method]);
    }
  }

  private static <C extends SolverConfig> LinearWeight solve(
      QuantizationMethod<C> method, IntegerGrid grid, Layer layer, LayerStatistics statistics) {
    var config = method.config(grid, Map.of());
    return method.solve(layer, statistics, List.of(config)).getFirst().weight();
  }
}

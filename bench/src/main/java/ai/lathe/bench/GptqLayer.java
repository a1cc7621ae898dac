package ai.lathe.bench;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.quantization.ColumnOrder;
import ai.lathe.compress.quantization.Gptq;
import ai.lathe.compress.quantization.IntegerGrid;
import ai.lathe.compress.quantization.OutputError;
import ai.lathe.compress.quantization.ScaleSearch;
import ai.lathe.format.safetensors.Safetensors;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.Matrix;
import ai.lathe.torch.GramAccumulator;
import ai.lathe.torch.Torch;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.bytedeco.javacpp.PointerScope;

/**
 * GPTQ of a layer that {@link LayerDump} wrote: relative output error and seconds, Gram matrix and
 * all, to set beside {@code tools/check_gptq_reference.py} on the same file.
 *
 * <p>{@code GptqLayer DIRECTORY BITS GROUP ROUNDS}
 */
public final class GptqLayer {

  private GptqLayer() {}

  public static void main(String[] arguments) {
    var scheme =
        new IntegerScheme(
            Integer.parseInt(arguments[1]), Integer.parseInt(arguments[2]), true, Activations.NONE);
    int rounds = Integer.parseInt(arguments[3]);
    try (var file = Safetensors.open(Path.of(arguments[0]))) {
      var stored = file.tensor("weight");
      int out = (int) stored.shape()[0];
      int in = (int) stored.shape()[1];
      var layer = new Layer("layer", new Matrix(out, in, stored.toFloats()));
      var inputs = file.tensor("inputs").toFloats();
      for (var search : ScaleSearch.values()) {
        for (var order : List.of(ColumnOrder.STATIC, ColumnOrder.NONE)) {
          var grid = new IntegerGrid(scheme, search, DType.F32);
          var level = List.of(new Gptq.Config(grid, order, 128, 0.01));
          var seconds = new double[rounds];
          double error = 0;
          for (int i = 0; i < rounds; i++) {
            long start = System.nanoTime();
            var statistics = statistics(inputs, in);
            var solution = new Gptq().solve(layer, statistics, level).getFirst();
            seconds[i] = (System.nanoTime() - start) / 1e9;
            error =
                OutputError.relative(
                    layer.weight(), solution.weight(), statistics.gram().orElseThrow());
          }
          Arrays.sort(seconds);
          System.out.printf(
              Locale.ROOT,
              "lathe  act-order %-6s scales %-8s error %.6f  seconds best %.3f median %.3f%n",
              order.name().toLowerCase(Locale.ROOT),
              search.name().toLowerCase(Locale.ROOT).replace('_', '-'),
              error,
              seconds[0],
              seconds[rounds / 2]);
        }
      }
    }
  }

  private static LayerStatistics statistics(float[] inputs, int in) {
    try (var _ = new PointerScope();
        var sum = new GramAccumulator(in)) {
      sum.add(Torch.ofFloats(inputs, 1, inputs.length / in, in), null);
      return LayerStatistics.of(sum.tokens(), sum.gram());
    }
  }
}

package ai.lathe.bench;

import ai.lathe.compress.factorization.CoSpaDi;
import ai.lathe.compress.factorization.FactorizationMethod;
import ai.lathe.compress.factorization.Factors;
import ai.lathe.compress.factorization.Removal;
import ai.lathe.compress.factorization.Rocket;
import ai.lathe.compress.factorization.SvdLlm;
import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.quantization.OutputError;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.linalg.Parallel;
import ai.lathe.torch.Torch;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * One layer by ROCKET, and by CoSpaDi in the time that ROCKET took for it: directories that {@link
 * LayerDump} wrote. Errors are {@code ||(W - C D) X|| / ||W X||}; times are the least of three.
 */
public final class EqualTime {

  private static final int ROUNDS = 3;

  private EqualTime() {}

  private record Timed(double error, double seconds, List<String> notes) {}

  public static void main(String[] directories) {
    Torch.threads(Parallel.threads());
    System.out.println(
        "| layer | removed | svd-llm | rocket | s | cospadi | s | |\n|---|---|---|---|---|---|---|---|");
    for (var directory : directories) {
      var dumped = LayerDump.Dumped.read(directory);
      show(dumped.layer(), dumped.statistics());
    }
  }

  private static void show(Layer layer, LayerStatistics statistics) {
    for (double removed : new double[] {0.2, 0.3}) {
      var low = timed(new SvdLlm(), layer, statistics, removed, Map.of());
      var rocket = timed(new Rocket(), layer, statistics, removed, Map.of());
      var limit = Map.of("seconds", rocket.seconds());
      var learned = timed(new CoSpaDi(), layer, statistics, removed, limit);
      System.out.printf(
          Locale.ROOT,
          "| %s, %d x %d | %.2f | %.4f | %.4f | %.2f | %.4f | %.2f | %s |%n",
          layer.name(),
          layer.weight().rows(),
          layer.weight().columns(),
          removed,
          low.error(),
          rocket.error(),
          rocket.seconds(),
          learned.error(),
          learned.seconds(),
          String.join("; ", learned.notes()));
    }
  }

  private static <C extends SolverConfig> Timed timed(
      FactorizationMethod<C> method,
      Layer layer,
      LayerStatistics statistics,
      double removed,
      Map<String, ?> settings) {
    var config = method.config(new Removal(removed), Factors.plain(DType.F32), settings);
    double least = Double.POSITIVE_INFINITY;
    Solution solution = null;
    for (int round = 0; round < ROUNDS; round++) {
      long start = System.nanoTime();
      solution = method.solve(layer, statistics, List.of(config)).getFirst();
      least = Math.min(least, (System.nanoTime() - start) / 1e9);
    }
    var gram = statistics.gram().orElseThrow();
    return new Timed(
        Math.sqrt(OutputError.relative(layer.weight(), solution.weight(), gram)),
        least,
        solution.fallbacks());
  }
}

package ai.lathe.bench;

import ai.lathe.compress.factorization.CoSpaDi;
import ai.lathe.compress.factorization.DictionaryProfile;
import ai.lathe.compress.factorization.Factors;
import ai.lathe.compress.factorization.Removal;
import ai.lathe.compress.factorization.Rocket;
import ai.lathe.compress.factorization.Spectrum;
import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.quantization.OutputError;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.linalg.LowRankFit.Metric;
import ai.lathe.tensor.linalg.Parallel;
import ai.lathe.torch.Torch;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;

/**
 * ROCKET's profile of a layer, 14 removals by 21 ratios: how long it takes, the decomposition
 * included, and what is lost at ratio 1, which is SVD-LLM, at the default ratio, at the best one,
 * and by CoSpaDi. Errors are {@code ||(W - C D) X|| / ||W X||}.
 *
 * <p>Arguments: shapes as {@code OUTxIN} (default {@code 2048x2048}), with random weights and
 * inputs, of which the time alone says something; or directories that {@link LayerDump} wrote, for
 * which CoSpaDi is run too.
 */
public final class RocketProfile {

  private RocketProfile() {}

  public static void main(String[] arguments) {
    Torch.threads(Parallel.threads());
    for (var argument : arguments.length > 0 ? arguments : new String[] {"2048x2048"}) {
      if (Files.isDirectory(Path.of(argument))) {
        var dumped = LayerDump.Dumped.read(argument);
        show(dumped.layer(), dumped.statistics(), true);
      } else {
        var sides = argument.split("x");
        int out = Integer.parseInt(sides[0]);
        int in = Integer.parseInt(sides[1]);
        var layer = new Layer(argument, GptqBench.random(out, in, 1));
        show(layer, LayerStatistics.of(in, GptqBench.gram(in)), false);
      }
    }
  }

  private static void show(Layer layer, LayerStatistics statistics, boolean learned) {
    long start = System.nanoTime();
    Spectrum.of(layer.weight(), new Metric.Full(statistics.gram().orElseThrow()));
    double decomposition = (System.nanoTime() - start) / 1e9;
    long before = GptqBench.processorTime();
    start = System.nanoTime();
    var profile = new Rocket().profile(layer, statistics);
    double seconds = (System.nanoTime() - start) / 1e9;
    System.out.printf(
        Locale.ROOT,
        "%s, %d x %d: %d points in %.1f s on %d threads (%.1f s of processors); a decomposition"
            + " alone %.1f s%n",
        layer.name(),
        layer.weight().rows(),
        layer.weight().columns(),
        profile.points().size(),
        seconds,
        Parallel.threads(),
        (GptqBench.processorTime() - before) / 1e9,
        decomposition);
    System.out.printf(
        "%8s %8s %8s %8s %8s %8s %10s%n",
        "removed", "svd-llm", "rocket", "best", "at", "atoms", learned ? "cospadi" : "");
    var removals = new TreeSet<Double>();
    profile.points().forEach(point -> removals.add(point.removed()));
    var errors = learned ? learned(layer, statistics, List.copyOf(removals)) : List.<Double>of();
    int i = 0;
    for (double removed : removals) {
      var best = profile.best(removed);
      System.out.printf(
          Locale.ROOT,
          "%8.2f %8.4f %8.4f %8.4f %8.1f %8d %10s%n",
          removed,
          at(profile, removed, 1),
          at(profile, removed, 2),
          best.outputError(),
          best.ratio(),
          best.size().atoms(),
          learned ? String.format(Locale.ROOT, "%.4f", errors.get(i++)) : "");
    }
  }

  private static double at(DictionaryProfile profile, double removed, double ratio) {
    return profile.points().stream()
        .filter(point -> point.removed() == removed && point.ratio() == ratio)
        .mapToDouble(DictionaryProfile.Point::outputError)
        .findFirst()
        .orElse(Double.NaN);
  }

  private static List<Double> learned(
      Layer layer, LayerStatistics statistics, List<Double> removals) {
    var method = new CoSpaDi();
    var factors = Factors.plain(DType.F32);
    var errors = new ArrayList<Double>();
    var levels =
        removals.stream()
            .map(removed -> method.config(new Removal(removed), factors, Map.of()))
            .toList();
    for (var solution : method.solve(layer, statistics, levels)) {
      var gram = statistics.gram().orElseThrow();
      errors.add(Math.sqrt(OutputError.relative(layer.weight(), solution.weight(), gram)));
    }
    return errors;
  }
}

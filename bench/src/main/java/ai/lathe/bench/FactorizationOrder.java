package ai.lathe.bench;

import ai.lathe.compress.factorization.CoSpaDi;
import ai.lathe.compress.factorization.FactorizationMethod;
import ai.lathe.compress.factorization.Factors;
import ai.lathe.compress.factorization.Parameters;
import ai.lathe.compress.factorization.Removal;
import ai.lathe.compress.factorization.RemovalKnapsack;
import ai.lathe.compress.factorization.Rocket;
import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.recipe.Modifier;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.report.LayerReport;
import ai.lathe.compress.report.Report;
import ai.lathe.format.compressed.Selector;
import ai.lathe.model.Address;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.linalg.Parallel;
import ai.lathe.torch.Torch;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * Factorization methods beside each other, each written, opened again and measured on held-out
 * text.
 *
 * <pre>
 * FactorizationOrder MODEL TEXT HELD-OUT-TEXT SAMPLES SEQ-LEN REMOVED,... METHOD[:KEY=VALUE...][@knapsack[:KEY=VALUE...]][+SCHEME]...
 * </pre>
 *
 * {@code cospadi:seconds=rocket} learns each matrix for as long as {@code rocket} without settings,
 * which has to come before it, took for that matrix in all; {@code cospadi:seconds=profile} for as
 * long as that and the profile of {@code rocket@knapsack} together. Prints what was lost, all bytes
 * of the artifact, parameters that matrices of blocks have fewer, and where time went.
 */
public final class FactorizationOrder {

  private static final String SECONDS = "seconds";

  private final Trial trial;

  /** Of the removal at hand, what each matrix took by {@code rocket}. */
  private final Map<String, Double> seconds = new HashMap<>();

  private double profile = Double.NaN;

  private FactorizationOrder(Trial trial) {
    this.trial = trial;
  }

  /** A method with its settings, and how its removal is spread. */
  private record Way(
      String text,
      String method,
      Map<String, Object> settings,
      Optional<RemovalKnapsack> knapsack,
      Optional<String> scheme) {

    static Way of(String text) {
      var ends = text.split("\\+", 2);
      var sides = ends[0].split("@", 2);
      var words = List.of(sides[0].split(":"));
      var how = sides.length > 1 ? List.of(sides[1].split(":")) : List.of(RemovalKnapsack.UNIFORM);
      return new Way(
          text,
          words.getFirst(),
          pairs(words),
          RemovalKnapsack.named(how.getFirst(), pairs(how)),
          Optional.of(ends).filter(all -> all.length > 1).map(all -> all[1]));
    }

    private static Map<String, Object> pairs(List<String> words) {
      var pairs = new TreeMap<String, Object>();
      for (var word : words.subList(1, words.size())) {
        var pair = word.split("=", 2);
        pairs.put(pair[0], pair[1]);
      }
      return pairs;
    }
  }

  public static void main(String[] arguments) throws IOException {
    var trial = Trial.of(arguments);
    warmUp();
    System.out.println(
        "| removed | method | KL | bytes | parameters fewer | solvers, s | profile, s | all, s |\n"
            + "|---|---|---|---|---|---|---|---|");
    var order = new FactorizationOrder(trial);
    for (var removed : arguments[5].split(",")) {
      order.seconds.clear();
      for (var text : List.of(arguments).subList(6, arguments.length)) {
        order.run(new Removal(Double.parseDouble(removed)), Way.of(text));
      }
    }
  }

  /** What is timed first should not wait for the compiler. */
  private static void warmUp() {
    Torch.threads(Parallel.threads());
    var layer = new Layer("warm-up", GptqBench.random(192, 192, 1));
    var statistics = LayerStatistics.of(192, GptqBench.gram(192));
    for (int i = 0; i < 4; i++) {
      warmUp(new Rocket(), layer, statistics);
      warmUp(new CoSpaDi(), layer, statistics);
    }
  }

  private static <C extends SolverConfig> void warmUp(
      FactorizationMethod<C> method, Layer layer, LayerStatistics statistics) {
    var config = method.config(new Removal(0.3), Factors.plain(DType.BF16), Map.of());
    method.solve(layer, statistics, List.of(config));
  }

  private void run(Removal removed, Way way) throws IOException {
    var recipe =
        way.settings().containsKey(SECONDS)
                && !Character.isDigit(way.settings().get(SECONDS).toString().charAt(0))
            ? timed(removed, way)
            : Recipe.factorization(way.method(), removed, way.knapsack(), way.settings());
    var all =
        way.scheme()
            .map(scheme -> recipe.then(Recipe.preset("gptq", scheme, Optional.empty())))
            .orElse(recipe);
    var line = trial.run(all, (report, artifact) -> line(removed, way, report, artifact));
    System.out.println(line);
  }

  private Recipe timed(Removal removed, Way way) {
    boolean profiled = way.settings().get(SECONDS).equals("profile");
    if (seconds.isEmpty() || profiled && Double.isNaN(profile)) {
      throw new LatheException(
          way.text() + " comes after rocket" + (profiled ? " and rocket@knapsack" : ""));
    }
    double all = seconds.values().stream().mapToDouble(own -> own).sum();
    double factor = profiled ? (all + profile) / all : 1;
    var steps = new ArrayList<Modifier>();
    for (var layer : seconds.entrySet()) {
      var settings = new TreeMap<>(way.settings());
      settings.put(SECONDS, factor * layer.getValue());
      var target = List.of(Selector.of(layer.getKey(), "layer"));
      steps.add(new Modifier.Factorization(way.method(), removed, target, List.of(), settings));
    }
    return new Recipe(steps);
  }

  private String line(Removal removed, Way way, Report report, Path artifact) {
    double solving = report.layers().stream().mapToDouble(LayerReport::seconds).sum();
    double profiling = report.seconds().getOrDefault("profile", 0.0);
    if (way.text().equals("rocket")) {
      seconds.putAll(
          report.layers().stream()
              .collect(Collectors.toMap(LayerReport::name, LayerReport::seconds)));
    } else if (way.method().equals("rocket") && way.knapsack().isPresent()) {
      profile = profiling;
    }
    return String.format(
        Locale.ROOT,
        "| %.2f | %s | %.4f | %,d | %.3f %% | %.1f | %.1f | %.1f |",
        removed.share(),
        way.text(),
        Trial.loss(report),
        report.size().artifactBytes(),
        100 * (1 - share(artifact)),
        solving,
        profiling,
        report.seconds().values().stream().mapToDouble(one -> one).sum());
  }

  /** Parameters of the matrices in blocks, of those that they had. */
  private static double share(Path artifact) {
    long now = 0;
    long before = 0;
    try (var written = Checkpoints.open(artifact)) {
      for (var address : written.addresses()) {
        if (address.block() != Address.OUTSIDE && !address.isVector(written.architecture())) {
          var matrix = written.matrix(address);
          now += Parameters.of(matrix.encoding(), matrix.rows(), matrix.columns());
          before += (long) matrix.rows() * matrix.columns();
        }
      }
    }
    return (double) now / before;
  }
}

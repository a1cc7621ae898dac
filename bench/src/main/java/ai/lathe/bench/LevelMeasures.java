package ai.lathe.bench;

import ai.lathe.compress.allocation.Allocation;
import ai.lathe.compress.allocation.Knapsack;
import ai.lathe.compress.allocation.LevelStore;
import ai.lathe.compress.allocation.Measure;
import ai.lathe.compress.allocation.Problem;
import ai.lathe.compress.calibration.Texts;
import ai.lathe.compress.database.DatabaseRequest;
import ai.lathe.compress.database.LevelDatabase;
import ai.lathe.compress.database.LevelSpec;
import ai.lathe.compress.plan.Target;
import ai.lathe.compress.search.FitnessSettings;
import ai.lathe.compress.search.ModelFitness;
import ai.lathe.eval.data.TextData;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.Progress;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Which loss of a level database tells best what a layer costs the model, and what its calibration
 * should see: ranks of losses beside those of measured divergence, and the divergence of mixtures
 * that a knapsack finds by each of them, on held-out text.
 *
 * <pre>
 * LevelMeasures MODEL DIRECTORY CALIBRATION-TEXT EVALUATION-TEXT SAMPLES SEQ-LEN TOKENS LEVEL,... BITS,... [REFERENCE...]
 * </pre>
 *
 * Databases stand in DIRECTORY and are used again; REFERENCE is a level, or {@code original}.
 */
public final class LevelMeasures {

  private static final List<Measure> MEASURES =
      List.of(Measure.OUTPUT, Measure.WEIGHT, Measure.HESSIAN, Measure.FISHER, Measure.KL);

  private final Checkpoint model;
  private final LevelDatabase database;
  private final ModelFitness fitness;

  private LevelMeasures(Checkpoint model, LevelDatabase database, ModelFitness fitness) {
    this.model = model;
    this.database = database;
    this.fitness = fitness;
  }

  public static void main(String[] arguments) {
    int samples = Integer.parseInt(arguments[4]);
    int length = Integer.parseInt(arguments[5]);
    int tokens = Integer.parseInt(arguments[6]);
    var levels = LevelSpec.all(List.of(arguments[7].split(",")));
    var bits = Arrays.stream(arguments[8].split(",")).mapToDouble(Double::parseDouble).toArray();
    var references =
        arguments.length > 9
            ? List.of(arguments).subList(9, arguments.length)
            : List.of("original");
    try (var model = Checkpoints.open(Path.of(arguments[0]))) {
      var texts =
          Texts.take(
              model.architecture().kind(),
              model.tokenizer().orElseThrow(),
              TextData.open(Path.of(arguments[2]), "text"),
              Optional.of(TextData.open(Path.of(arguments[3]), "text")),
              true,
              samples,
              length,
              0);
      for (var reference : references) {
        var target = levels.getFirst().blocks() ? Target.GGUF : Target.HUGGING_FACE;
        var directory = Path.of(arguments[1], reference.replace(':', '-'));
        var request =
            new DatabaseRequest(
                directory,
                levels,
                target,
                true,
                Optional.of(reference).filter(name -> !name.equals(LevelStore.ORIGINAL)),
                false,
                false);
        long start = System.nanoTime();
        LevelDatabase.build(model, texts.calibration(), request, Progress.NONE, System.err::println)
            .close();
        System.out.printf("%ncalibrated on %s, %.0f s%n", reference, seconds(start));
        start = System.nanoTime();
        try (var unmeasured = LevelDatabase.open(directory, model);
            var fitness =
                new ModelFitness(
                    model, unmeasured, texts.calibration(), FitnessSettings.divergence())) {
          LevelDatabase.measure(directory, model, fitness, tokens, Progress.NONE);
        }
        System.out.printf("divergence of each unit at each level, %.0f s%n", seconds(start));
        try (var database = LevelDatabase.open(directory, model);
            var fitness =
                new ModelFitness(
                    model, database, texts.evaluation(), FitnessSettings.divergence())) {
          new LevelMeasures(model, database, fitness).report(levels, bits);
        }
      }
    }
  }

  private static double seconds(long start) {
    return (System.nanoTime() - start) / 1e9;
  }

  private void report(List<LevelSpec> levels, double[] bits) {
    System.out.println("rank correlation with the measured divergence, over all and at each level");
    for (var measure : MEASURES.subList(0, 4)) {
      System.out.printf("%-8s all %.3f", measure, correlation(measure, Optional.empty()));
      for (var level : levels) {
        System.out.printf(
            "  %s %.3f", level.name(), correlation(measure, Optional.of(level.name())));
      }
      System.out.println();
    }
    System.out.println("divergence on held-out text");
    try (var batch = fitness.all()) {
      for (var level : levels) {
        var uniform =
            new Allocation(
                database.table().units().stream()
                    .map(
                        unit ->
                            IntStream.range(0, unit.options().size())
                                .filter(i -> unit.options().get(i).level().equals(level.name()))
                                .findFirst()
                                .orElse(unit.options().size() - 1))
                    .toList());
        System.out.printf(
            "%-10s %.3f bits  %.5f%n", level.name(), bits(uniform), batch.loss(uniform));
      }
      for (double budget : bits) {
        System.out.printf("%.3f bits:", budget);
        for (var measure : MEASURES) {
          System.out.printf("  %s %.5f", measure, batch.loss(mixture(budget, measure)));
        }
        System.out.println();
      }
    }
  }

  private double bits(Allocation allocation) {
    return 8.0 * allocation.cost(database.table().bytes()) / database.table().weights();
  }

  private Allocation mixture(double bits, Measure measure) {
    var table = database.table();
    long budget = (long) (bits * table.weights() / 8);
    var problem =
        new Problem(
            table,
            table.bytes(),
            budget,
            table.losses(measure),
            Optional.empty(),
            0,
            Progress.NONE);
    return Knapsack.USUAL.allocate(problem).allocation();
  }

  /** Of Spearman, with the divergence of each unit alone. */
  private double correlation(Measure measure, Optional<String> level) {
    var ours = new ArrayList<Double>();
    var measured = new ArrayList<Double>();
    for (var unit : database.table().units()) {
      for (var option : unit.options()) {
        if (!option.level().equals(LevelStore.ORIGINAL)
            && level.map(option.level()::equals).orElse(true)) {
          ours.add(option.losses().get(measure));
          measured.add(option.losses().get(Measure.KL));
        }
      }
    }
    var a = ranks(ours);
    var b = ranks(measured);
    double mean = (a.length - 1) / 2.0;
    double both = 0;
    double own = 0;
    double other = 0;
    for (int i = 0; i < a.length; i++) {
      both += (a[i] - mean) * (b[i] - mean);
      own += (a[i] - mean) * (a[i] - mean);
      other += (b[i] - mean) * (b[i] - mean);
    }
    return both / Math.sqrt(own * other);
  }

  private static double[] ranks(List<Double> values) {
    var order =
        IntStream.range(0, values.size())
            .boxed()
            .sorted((a, b) -> Double.compare(values.get(a), values.get(b)))
            .toList();
    var ranks = new double[values.size()];
    for (int rank = 0; rank < ranks.length; rank++) {
      ranks[order.get(rank)] = rank;
    }
    return ranks;
  }
}

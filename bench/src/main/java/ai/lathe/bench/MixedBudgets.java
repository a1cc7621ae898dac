package ai.lathe.bench;

import ai.lathe.compress.Version;
import ai.lathe.compress.allocation.Allocation;
import ai.lathe.compress.allocation.Allocator;
import ai.lathe.compress.allocation.Allocators;
import ai.lathe.compress.allocation.Families;
import ai.lathe.compress.allocation.LevelTable;
import ai.lathe.compress.allocation.Measure;
import ai.lathe.compress.allocation.Option.Family;
import ai.lathe.compress.allocation.Problem;
import ai.lathe.compress.database.LevelDatabase;
import ai.lathe.compress.report.page.Page;
import ai.lathe.compress.report.page.Scatter;
import ai.lathe.compress.search.FitnessSettings;
import ai.lathe.compress.search.ModelFitness;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.Progress;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * One knapsack over bits, zeros and ranks together, beside the same knapsack over each of them, at
 * equal bytes and on text that no loss was measured on. A layer may stay as it is in all of them.
 *
 * <p>{@code MixedBudgets MODEL DATABASE SEARCH-TEXT HELD-OUT-TEXT SEQUENCE-LENGTH SEQUENCES
 * HELD-OUT-SEQUENCES MEASURE BUDGET,... [PAGE.html]}: a budget is bits per weight of the units, or
 * a level's name for what that takes everywhere. Prints a table, and draws it.
 */
public final class MixedBudgets {

  /** What is chosen from: each family, all, and all again with each choice measured. */
  private enum Way {
    BITS("bits", EnumSet.of(Family.BITS)),
    ZEROS("zeros", EnumSet.of(Family.ZEROS)),
    FACTORS("factors", EnumSet.of(Family.FACTORS)),
    ALL("all of them", EnumSet.allOf(Family.class)),
    MEASURED("all, measured", EnumSet.allOf(Family.class));

    private final String label;
    private final Set<Family> families;

    Way(String label, Set<Family> families) {
      this.label = label;
      this.families = families;
    }

    Allocator allocator() {
      return Allocators.named(this == MEASURED ? "families" : "knapsack", Map.of());
    }
  }

  private static final long SEED = 0;

  private MixedBudgets() {}

  public static void main(String[] arguments) {
    try (var model = Checkpoints.open(arguments[0]);
        var database = LevelDatabase.open(Path.of(arguments[1]), model)) {
      int length = Integer.parseInt(arguments[4]);
      var searched =
          AllocationFigures.drawn(model, arguments[2], length, Integer.parseInt(arguments[5]));
      var heldOut =
          AllocationFigures.heldOut(model, arguments[3], length, Integer.parseInt(arguments[6]));
      var measure = Measure.valueOf(arguments[7].toUpperCase(Locale.ROOT));
      var points = new ArrayList<Scatter.Point>();
      var settings = FitnessSettings.divergence();
      try (var fitness = new ModelFitness(model, database, searched, settings);
          var judge = new ModelFitness(model, database, heldOut, settings);
          var text = judge.all()) {
        System.out.printf(
            "measured on %,d tokens, judged on %,d; losses by %s%n%n",
            fitness.tokens(), judge.tokens(), measure);
        System.out.printf(
            "| bytes | bits | %s | of the best family | chosen |%n",
            Arrays.stream(Way.values()).map(way -> way.label).collect(Collectors.joining(" | ")));
        System.out.println("|---:|---:|" + "---:|".repeat(Way.values().length) + "---:|---|");
        for (var budget : arguments[8].split(",")) {
          var table = database.table();
          var problem =
              new Problem(
                  table,
                  table.bytes(),
                  AllocationFigures.bytes(table, budget),
                  table.losses(measure),
                  Optional.of(fitness),
                  SEED,
                  Progress.NONE);
          var choices = new EnumMap<Way, Allocation>(Way.class);
          var losses = new EnumMap<Way, Double>(Way.class);
          for (var way : Way.values()) {
            var one = Families.only(problem, way.families);
            if (one.least() <= one.budget()) {
              var allocation = way.allocator().allocate(one).allocation();
              choices.put(way, allocation);
              losses.put(way, text.loss(allocation));
              points.add(point(table, way, allocation, losses.get(way)));
            }
          }
          print(problem, losses, choices.get(Way.MEASURED));
        }
      }
      if (arguments.length > 9) {
        page(database.table(), arguments[0], points).write(Path.of(arguments[9]));
      }
    }
  }

  private static void print(Problem problem, Map<Way, Double> losses, Allocation chosen) {
    var cells =
        Arrays.stream(Way.values())
            .map(way -> losses.containsKey(way) ? "%.5f".formatted(losses.get(way)) : "")
            .collect(Collectors.joining(" | "));
    double best =
        losses.entrySet().stream()
            .filter(entry -> entry.getKey().families.size() == 1)
            .mapToDouble(Map.Entry::getValue)
            .min()
            .orElse(Double.NaN);
    System.out.printf(
        "| %d | %.2f | %s | %.3f | %s |%n",
        problem.budget(),
        8.0 * problem.budget() / problem.table().weights(),
        cells,
        losses.get(Way.MEASURED) / best,
        shares(problem.table(), chosen));
  }

  /** Weights at each level, in per cent. */
  private static String shares(LevelTable table, Allocation allocation) {
    var weights = new TreeMap<String, Long>();
    for (int unit = 0; unit < table.units().size(); unit++) {
      weights.merge(
          allocation.option(table, unit).level(), table.units().get(unit).weights(), Long::sum);
    }
    return weights.entrySet().stream()
        .sorted(Map.Entry.<String, Long>comparingByValue().reversed())
        .map(
            entry ->
                "%s %.0f %%".formatted(entry.getKey(), 100.0 * entry.getValue() / table.weights()))
        .collect(Collectors.joining(", "));
  }

  private static Scatter.Point point(
      LevelTable table, Way way, Allocation allocation, double loss) {
    long bytes = allocation.cost(table.bytes());
    return new Scatter.Point(
        way.label,
        "%.2f bits".formatted(8.0 * bytes / table.weights()),
        false,
        bytes,
        loss,
        List.of("KL %.5f".formatted(loss), shares(table, allocation)));
  }

  private static Page page(LevelTable table, String model, List<Scatter.Point> points) {
    long original =
        table.units().stream().mapToLong(unit -> unit.options().getLast().bytes()).sum();
    return new Page(
        Version.CURRENT,
        "Mixed budgets",
        "%s: bits, zeros and ranks".formatted(model),
        "One budget spent on bits, zeros and ranks together, and on each of them",
        "",
        List.of(Scatter.of("KL divergence (nats)", original, points).section()),
        points);
  }
}

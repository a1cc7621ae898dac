package ai.lathe.bench;

import ai.lathe.compress.Version;
import ai.lathe.compress.allocation.Allocation;
import ai.lathe.compress.allocation.Allocators;
import ai.lathe.compress.allocation.LevelStore;
import ai.lathe.compress.allocation.LevelTable;
import ai.lathe.compress.allocation.Measure;
import ai.lathe.compress.allocation.Problem;
import ai.lathe.compress.database.LevelDatabase;
import ai.lathe.compress.database.LevelSpec;
import ai.lathe.compress.recipe.Modifier;
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
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * One knapsack over bits, zeros and ranks together, beside the same knapsack over each of them, at
 * equal bytes and on text that no loss was measured on. A layer may stay as it is in all of them.
 *
 * <p>{@code MixedBudgets MODEL DATABASE HELD-OUT-TEXT SEQUENCE-LENGTH SEQUENCES MEASURE BUDGET,...
 * [PAGE.html]}: a budget is bits per weight of the units, or a level's name for what that takes
 * everywhere. Prints a table, and draws it.
 */
public final class MixedBudgets {

  /** What a knapsack may choose from. */
  private enum Family {
    BITS("bits"),
    ZEROS("zeros and bits"),
    RANK("rank and bits"),
    ALL("all of them");

    private final String label;

    Family(String label) {
      this.label = label;
    }

    boolean has(String level) {
      return this == ALL || level.equals(LevelStore.ORIGINAL) || of(level) == this;
    }

    private static Family of(String level) {
      var modifiers = LevelSpec.of(level).recipe().modifiers();
      if (modifiers.stream().anyMatch(Modifier.Factorization.class::isInstance)) {
        return RANK;
      }
      return modifiers.stream().anyMatch(Modifier.Pruning.class::isInstance) ? ZEROS : BITS;
    }
  }

  private static final long SEED = 0;

  private MixedBudgets() {}

  public static void main(String[] arguments) {
    try (var model = Checkpoints.open(arguments[0]);
        var database = LevelDatabase.open(Path.of(arguments[1]), model)) {
      var table = database.table();
      var sequences =
          AllocationFigures.heldOut(
              model, arguments[2], Integer.parseInt(arguments[3]), Integer.parseInt(arguments[4]));
      var measure = Measure.valueOf(arguments[5].toUpperCase(Locale.ROOT));
      var points = new ArrayList<Scatter.Point>();
      try (var judge = new ModelFitness(model, database, sequences, FitnessSettings.divergence());
          var text = judge.all()) {
        System.out.printf("held-out KL on %,d tokens, losses by %s%n%n", judge.tokens(), measure);
        System.out.println(
            "| budget, bytes | bits | "
                + Arrays.stream(Family.values())
                    .map(family -> family.label)
                    .collect(Collectors.joining(" | "))
                + " | of the best one | chosen from all |");
        System.out.println("|---:|---:|" + "---:|".repeat(Family.values().length) + "---:|---|");
        for (var budget : arguments[6].split(",")) {
          long bytes = AllocationFigures.bytes(table, budget);
          var choices = new EnumMap<Family, Allocation>(Family.class);
          for (var family : Family.values()) {
            choose(table, family, measure, bytes)
                .ifPresent(allocation -> choices.put(family, allocation));
          }
          var losses = new EnumMap<Family, Double>(Family.class);
          choices.forEach((family, allocation) -> losses.put(family, text.loss(allocation)));
          print(table, bytes, choices, losses);
          choices.forEach(
              (family, allocation) ->
                  points.add(point(table, family, allocation, losses.get(family))));
        }
      }
      if (arguments.length > 7) {
        page(table, arguments[0], points).write(Path.of(arguments[7]));
      }
    }
  }

  /** Empty where the family has nothing as small as that. */
  private static Optional<Allocation> choose(
      LevelTable table, Family family, Measure measure, long budget) {
    var losses = table.losses(measure);
    for (int unit = 0; unit < losses.length; unit++) {
      var options = table.units().get(unit).options();
      for (int option = 0; option < losses[unit].length; option++) {
        if (!family.has(options.get(option).level())) {
          // What is not finite is not chosen where there is something else.
          losses[unit][option] = Double.POSITIVE_INFINITY;
        }
      }
    }
    var problem =
        new Problem(table, table.bytes(), budget, losses, Optional.empty(), SEED, Progress.NONE);
    return problem.least() > budget
        ? Optional.empty()
        : Optional.of(Allocators.named("knapsack", Map.of()).allocate(problem).allocation());
  }

  private static void print(
      LevelTable table, long budget, Map<Family, Allocation> choices, Map<Family, Double> losses) {
    var cells =
        Arrays.stream(Family.values())
            .map(family -> losses.containsKey(family) ? "%.5f".formatted(losses.get(family)) : "")
            .collect(Collectors.joining(" | "));
    double best =
        losses.entrySet().stream()
            .filter(entry -> entry.getKey() != Family.ALL)
            .mapToDouble(Map.Entry::getValue)
            .min()
            .orElse(Double.NaN);
    System.out.printf(
        "| %d | %.2f | %s | %.3f | %s |%n",
        budget,
        8.0 * budget / table.weights(),
        cells,
        losses.get(Family.ALL) / best,
        shares(table, choices.get(Family.ALL)));
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
      LevelTable table, Family family, Allocation allocation, double loss) {
    long bytes = allocation.cost(table.bytes());
    return new Scatter.Point(
        family.label,
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

package ai.lathe.bench;

import ai.lathe.compress.allocation.Allocation;
import ai.lathe.compress.allocation.Allocator;
import ai.lathe.compress.allocation.Allocators;
import ai.lathe.compress.allocation.LevelTable;
import ai.lathe.compress.allocation.Measure;
import ai.lathe.compress.allocation.Problem;
import ai.lathe.compress.allocation.Unit;
import ai.lathe.compress.calibration.Texts;
import ai.lathe.compress.database.LevelDatabase;
import ai.lathe.compress.search.FitnessSettings;
import ai.lathe.compress.search.ModelFitness;
import ai.lathe.compress.search.Objective;
import ai.lathe.eval.data.TextData;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.Precision;
import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Random;
import java.util.random.RandomGenerator;
import java.util.stream.IntStream;

/**
 * What allocators make of a level database at equal bytes, and what measuring costs.
 *
 * <p>{@code AllocationFigures budgets MODEL DATABASE SEARCH-TEXT HELD-OUT-TEXT SEQUENCE-LENGTH
 * SEQUENCES HELD-OUT-SEQUENCES BUDGET,... ALLOCATOR[@MEASURE][:KEY=VALUE,...]...}: a budget is bits
 * per weight of the units, or a level's name for what that level takes everywhere. Prints for each
 * the bytes and the bits, the loss on the held-out text, what it is to that of the first allocator
 * named, and the seconds that it took; and, on standard error, what the allocator tells.
 *
 * <p>{@code AllocationFigures levels MODEL DATABASE HELD-OUT-TEXT SEQUENCE-LENGTH SEQUENCES}: the
 * loss of each level where all units have it, and the bytes of these.
 *
 * <p>{@code AllocationFigures cost MODEL DATABASE SEARCH-TEXT SEQUENCE-LENGTH TOKENS CANDIDATES}:
 * milliseconds a candidate, passed and worked, of random allocations that differ from one in one to
 * three switched pairs of units, with nothing held, with layers, with states too, and several at
 * once.
 */
public final class AllocationFigures {

  private static final long SEED = 0;

  private AllocationFigures() {}

  public static void main(String[] arguments) {
    var rest = List.of(arguments).subList(Math.min(1, arguments.length), arguments.length);
    switch (arguments.length == 0 ? "" : arguments[0]) {
      case "budgets" -> budgets(rest);
      case "levels" -> levels(rest);
      case "cost" -> cost(rest);
      default -> throw new LatheException("budgets, levels or cost");
    }
  }

  private static void budgets(List<String> arguments) {
    try (var model = Checkpoints.open(arguments.get(0));
        var database = LevelDatabase.open(Path.of(arguments.get(1)), model)) {
      int length = Integer.parseInt(arguments.get(4));
      var searched = drawn(model, arguments.get(2), length, Integer.parseInt(arguments.get(5)));
      var judged = heldOut(model, arguments.get(3), length, Integer.parseInt(arguments.get(6)));
      var settings = FitnessSettings.divergence();
      try (var fitness = new ModelFitness(model, database, searched, settings);
          var judge = new ModelFitness(model, database, judged, settings);
          var text = judge.all()) {
        System.out.printf(
            "searched on %,d tokens, judged on %,d%n%n", fitness.tokens(), judge.tokens());
        System.out.println(
            "| budget | allocator | bytes | bits | held-out loss | of the first's | seconds |");
        System.out.println("|---|---|---:|---:|---:|---:|---:|");
        for (var budget : arguments.get(7).split(",")) {
          double first = Double.NaN;
          for (var named : arguments.subList(8, arguments.size())) {
            var allocator = allocator(named);
            var problem = problem(database.table(), budget, measure(named), fitness);
            long begin = System.nanoTime();
            var result = allocator.allocate(problem);
            double seconds = (System.nanoTime() - begin) / 1e9;
            double loss = text.loss(result.allocation());
            first = Double.isNaN(first) ? loss : first;
            long bytes = result.allocation().cost(problem.costs());
            System.out.printf(
                "| %s | %s | %d | %.4f | %.5f | %.3f | %.1f |%n",
                budget,
                named,
                bytes,
                8.0 * bytes / database.table().weights(),
                loss,
                loss / first,
                seconds);
            System.err.printf("%s %s: %s%n", budget, named, String.join("; ", result.notes()));
          }
        }
      }
    }
  }

  private static void levels(List<String> arguments) {
    try (var model = Checkpoints.open(arguments.get(0));
        var database = LevelDatabase.open(Path.of(arguments.get(1)), model)) {
      int length = Integer.parseInt(arguments.get(3));
      var judged = heldOut(model, arguments.get(2), length, Integer.parseInt(arguments.get(4)));
      try (var judge = new ModelFitness(model, database, judged, FitnessSettings.divergence());
          var text = judge.all()) {
        System.out.printf("judged on %,d tokens%n%n", judge.tokens());
        System.out.println("| level | bytes | bits | held-out loss |\n|---|---:|---:|---:|");
        var table = database.table();
        for (var level : database.levels()) {
          var everywhere =
              new Allocation(
                  table.units().stream().map(unit -> option(unit, level.name())).toList());
          long bytes = everywhere.cost(table.bytes());
          System.out.printf(
              "| %s | %d | %.3f | %.5f |%n",
              level.name(), bytes, 8.0 * bytes / table.weights(), text.loss(everywhere));
        }
      }
    }
  }

  private static int option(Unit unit, String level) {
    return IntStream.range(0, unit.options().size())
        .filter(option -> unit.options().get(option).level().equals(level))
        .findFirst()
        .orElseThrow(() -> new LatheException(unit.name() + " has no level " + level));
  }

  private static Problem problem(
      LevelTable table, String budget, Measure measure, ModelFitness fitness) {
    return new Problem(
        table,
        table.bytes(),
        bytes(table, budget),
        table.losses(measure),
        Optional.of(fitness),
        SEED,
        Progress.NONE);
  }

  /** Of a level everywhere, or of so many bits per weight. */
  static long bytes(LevelTable table, String budget) {
    if (budget.chars().allMatch(c -> Character.isDigit(c) || c == '.')) {
      return (long) Math.floor(Double.parseDouble(budget) * table.weights() / 8);
    }
    return table.units().stream()
        .mapToLong(unit -> unit.options().get(option(unit, budget)).bytes())
        .sum();
  }

  private static Measure measure(String named) {
    var name = named.split(":", 2)[0];
    int at = name.indexOf('@');
    return at < 0
        ? Measure.OUTPUT
        : Measure.valueOf(name.substring(at + 1).toUpperCase(Locale.ROOT));
  }

  private static Allocator allocator(String named) {
    var parts = named.split(":", 2);
    var settings = new LinkedHashMap<String, String>();
    for (var setting : parts.length < 2 ? new String[0] : parts[1].split(",")) {
      var pair = setting.split("=", 2);
      settings.put(pair[0], pair[1]);
    }
    return Allocators.named(parts[0].split("@")[0], settings);
  }

  static List<int[]> drawn(Checkpoint model, String text, int length, int sequences) {
    return Texts.calibration(
            model.architecture().kind(),
            model.tokenizer().orElseThrow(),
            TextData.open(Path.of(text)),
            sequences,
            length,
            SEED)
        .calibration();
  }

  static List<int[]> heldOut(Checkpoint model, String text, int length, int sequences) {
    var all =
        Texts.take(
                model.architecture().kind(),
                model.tokenizer().orElseThrow(),
                TextData.open(Path.of(text)),
                Optional.of(TextData.open(Path.of(text))),
                false,
                1,
                length,
                SEED)
            .evaluation();
    return all.subList(0, Math.min(sequences, all.size()));
  }

  private static void cost(List<String> arguments) {
    try (var model = Checkpoints.open(arguments.get(0));
        var database = LevelDatabase.open(Path.of(arguments.get(1)), model)) {
      int tokens = Integer.parseInt(arguments.get(4));
      int length = Integer.parseInt(arguments.get(3));
      var sequences = drawn(model, arguments.get(2), length, Math.ceilDiv(tokens, length));
      var candidates = candidates(database.table(), Integer.parseInt(arguments.get(5)));
      long plenty = 4L << 30;
      System.out.println("| held | ms a candidate | of processors |\n|---|---:|---:|");
      var limits = new LinkedHashMap<String, long[]>();
      limits.put("nothing", new long[] {0, 0, 0});
      limits.put("layers", new long[] {plenty, 0, 0});
      limits.put("layers, the original's logits", new long[] {plenty, 0, plenty});
      limits.put("layers, logits, states", new long[] {plenty, plenty, plenty});
      for (var precision : Precision.values()) {
        for (var limit : limits.entrySet()) {
          var settings = settings(Objective.KL, precision, limit.getValue());
          one(model, database, sequences, settings, candidates, false, limit.getKey());
        }
        var all = limits.values().toArray(long[][]::new)[3];
        var settings = settings(Objective.KL, precision, all);
        one(model, database, sequences, settings, candidates, true, "all of these, at once");
        var topK = settings(Objective.TOP_K_KL, precision, all);
        one(model, database, sequences, topK, candidates, true, "at once, 512 likeliest");
      }
    }
  }

  private static FitnessSettings settings(Objective objective, Precision precision, long[] limits) {
    return new FitnessSettings(objective, 512, precision, limits[0], limits[1], limits[2]);
  }

  private static void one(
      Checkpoint model,
      LevelDatabase database,
      List<int[]> sequences,
      FitnessSettings settings,
      List<Allocation> candidates,
      boolean together,
      String what) {
    try (var fitness = new ModelFitness(model, database, sequences, settings)) {
      double[] losses = null;
      double best = Double.POSITIVE_INFINITY;
      double work = Double.POSITIVE_INFINITY;
      for (int round = 0; round < 3; round++) {
        try (var batch = fitness.all()) {
          batch.loss(candidates.getFirst());
          var rest = candidates.subList(1, candidates.size());
          long begin = System.nanoTime();
          long worked = processorNanos();
          losses = together ? batch.losses(rest) : rest.stream().mapToDouble(batch::loss).toArray();
          best = Math.min(best, (System.nanoTime() - begin) / 1e6 / rest.size());
          work = Math.min(work, (processorNanos() - worked) / 1e6 / rest.size());
        }
      }
      System.out.printf("| %s, %s | %.1f | %.1f |%n", settings.precision(), what, best, work);
      System.err.printf("%s: losses %s%n", what, Arrays.toString(losses));
    }
  }

  /** What all threads of this process have worked; little depends on who else does. */
  private static long processorNanos() {
    return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
        .getProcessCpuTime();
  }

  /** One in which every unit has the middle of its options, and others near it. */
  private static List<Allocation> candidates(LevelTable table, int count) {
    RandomGenerator random = new Random(SEED);
    var candidates = new ArrayList<Allocation>();
    var parent = table.units().stream().map(unit -> (unit.options().size() - 1) / 2).toList();
    candidates.add(new Allocation(parent));
    while (candidates.size() <= count) {
      var child = new ArrayList<>(parent);
      for (int change = random.nextInt(1, 4) * 2; change > 0; change--) {
        int unit = random.nextInt(child.size());
        int options = table.units().get(unit).options().size();
        child.set(unit, Math.clamp(child.get(unit) + (change % 2 == 0 ? 1 : -1), 0, options - 2));
      }
      candidates.add(new Allocation(child));
    }
    return candidates;
  }
}

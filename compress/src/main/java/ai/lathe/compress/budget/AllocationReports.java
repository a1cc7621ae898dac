package ai.lathe.compress.budget;

import ai.lathe.compress.allocation.Allocation;
import ai.lathe.compress.allocation.LevelStore;
import ai.lathe.compress.allocation.LevelTable;
import ai.lathe.compress.allocation.Measure;
import ai.lathe.compress.allocation.Option;
import ai.lathe.compress.allocation.Unit;
import ai.lathe.compress.report.AllocationReport;
import ai.lathe.compress.report.AllocationReport.Point;
import ai.lathe.compress.report.AllocationReport.Probe;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Function;

/** A choice as reports tell of it. */
public final class AllocationReports {

  private AllocationReports() {}

  /**
   * @param times nanoseconds of a token, {@code [unit][option]}, where they were measured
   * @param points other artifacts to set beside
   */
  public static AllocationReport of(
      Goal goal,
      String database,
      String allocator,
      Measure measure,
      Choice choice,
      Optional<long[][]> times,
      List<Point> points,
      List<Probe> probes) {
    var mixture = choice.mixture();
    var table = mixture.table();
    var names = new TreeMap<String, String>();
    mixture
        .plan(choice.allocation())
        .entries()
        .forEach(entry -> names.put(entry.address().toString(), entry.name()));
    var choices = new ArrayList<AllocationReport.Choice>();
    for (int u = 0; u < table.units().size(); u++) {
      var unit = table.units().get(u);
      var chosen = choice.allocation().option(table, u);
      var nanoseconds = times.isPresent() ? times.get()[u] : null;
      choices.add(
          new AllocationReport.Choice(
              unit.name(),
              unit.block(),
              unit.members().stream().map(member -> names.get(member.toString())).toList(),
              chosen.level(),
              chosen.encoding(),
              chosen.bytes(),
              unit.weights(),
              options(unit, nanoseconds)));
    }
    var result = choice.result();
    boolean bytes = choice.cost() == Choice.Cost.BYTES;
    return new AllocationReport(
        allocator,
        goal.text(),
        measure.name(),
        result.loss(),
        Double.isNaN(result.bound()) ? null : result.bound(),
        bytes ? choice.budget() : choice.bytes(),
        choice.bytes(),
        choices,
        points,
        result.history(),
        goal.kind(),
        goal.value(),
        database,
        bytes ? null : choice.budget(),
        probes);
  }

  private static List<AllocationReport.Option> options(Unit unit, long[] nanoseconds) {
    var options = new ArrayList<AllocationReport.Option>();
    for (int o = 0; o < unit.options().size(); o++) {
      var option = unit.options().get(o);
      options.add(
          new AllocationReport.Option(
              option.level(),
              option.encoding(),
              option.bytes(),
              option.sparsity(),
              losses(option),
              nanoseconds == null ? null : nanoseconds[o]));
    }
    return options;
  }

  private static Map<String, Double> losses(Option option) {
    var losses = new TreeMap<String, Double>();
    option
        .losses()
        .forEach((measure, loss) -> losses.put(measure.name().toLowerCase(Locale.ROOT), loss));
    return losses;
  }

  /** The allocation of one level wherever a unit has it, the original elsewhere. */
  public static Allocation uniform(LevelTable table, String level) {
    return new Allocation(table.units().stream().map(unit -> index(unit, level)).toList());
  }

  private static int index(Unit unit, String level) {
    for (int o = 0; o < unit.options().size(); o++) {
      if (unit.options().get(o).level().equals(level)) {
        return o;
      }
    }
    return unit.options().size() - 1;
  }

  /** Levels in ascending order of bytes, as the first unit to have them all has it. */
  public static List<String> levels(LevelTable table) {
    var names = new LinkedHashSet<String>();
    table.units().stream()
        .sorted((a, b) -> b.options().size() - a.options().size())
        .forEach(unit -> unit.options().forEach(option -> names.add(option.level())));
    return List.copyOf(names);
  }

  /**
   * Artifacts with one level throughout.
   *
   * @param chooser of the artifact with so many bits per weight in its units
   * @param measured KL and EAR on held-out text, in this order; empty where nobody measures
   */
  public static List<Point> uniform(
      LevelTable table,
      Function<Double, Chooser> chooser,
      Function<Allocation, Optional<double[]>> measured) {
    var points = new ArrayList<Point>();
    for (var level : levels(table)) {
      var allocation = uniform(table, level);
      double bits = 8.0 * allocation.cost(table.bytes()) / table.weights();
      var one = chooser.apply(bits);
      var values = measured.apply(allocation);
      double predicted = one.loss(allocation);
      points.add(
          new Point(
              level.equals(LevelStore.ORIGINAL) ? level : "uniform " + level,
              Point.Kind.UNIFORM,
              one.mixture().artifactBytes(allocation),
              values.map(two -> two[0]).orElse(null),
              values.map(two -> two[1]).orElse(null),
              Double.isFinite(predicted) ? predicted : null));
    }
    return points;
  }
}

package ai.lathe.compress.database;

import ai.lathe.compress.allocation.Measure;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;

/**
 * A database in a few numbers.
 *
 * @param units that are given a level each
 * @param weights of all layers
 * @param originalBytes of all layers where none is compressed
 * @param diskBytes of all levels
 * @param levels in the order in which they were asked for
 */
public record DatabaseSummary(
    String target,
    String calibration,
    int layers,
    int units,
    long weights,
    long originalBytes,
    long diskBytes,
    List<Level> levels) {

  /**
   * All layers at one level.
   *
   * @param layers that can have it
   * @param bytes of these
   * @param bitsPerWeight of these
   * @param sparsity share of zeros of these
   * @param losses means over these layers; sums of those that are in nats
   * @param seconds that its solvers took
   * @param fallbacks that were met
   */
  public record Level(
      String level,
      int layers,
      long bytes,
      double bitsPerWeight,
      double sparsity,
      Map<Measure, Double> losses,
      double seconds,
      int fallbacks) {}

  public static DatabaseSummary of(LevelDatabase database) {
    var plans = database.plans();
    var manifest = database.manifest();
    long disk = 0;
    for (var layer : manifest.layers()) {
      for (var made : layer.levels()) {
        disk += made.sameAs().isEmpty() ? made.bytes() : 0;
      }
    }
    return new DatabaseSummary(
        manifest.target().name(),
        manifest.calibration(),
        plans.layers().size(),
        database.table().units().size(),
        database.table().weights(),
        plans.layers().stream().mapToLong(plans::bytes).sum(),
        disk,
        manifest.levels().stream().map(level -> level(database, level)).toList());
  }

  private static Level level(LevelDatabase database, String name) {
    var plans = database.plans();
    var losses = new EnumMap<Measure, Double>(Measure.class);
    var fallbacks = new ArrayList<String>();
    int layers = 0;
    long bytes = 0;
    long weights = 0;
    double zeros = 0;
    double seconds = 0;
    for (int i = 0; i < plans.layers().size(); i++) {
      var made = database.manifest().layers().get(i).level(name);
      if (made.isEmpty()) {
        continue;
      }
      long own = plans.layers().get(i).weights();
      layers++;
      bytes += made.get().bytes();
      weights += own;
      zeros += made.get().sparsity() * own;
      seconds += made.get().seconds();
      fallbacks.addAll(made.get().fallbacks());
      made.get().losses().forEach((measure, loss) -> losses.merge(measure, loss, Double::sum));
    }
    losses.remove(Measure.OUTLIERS);
    double all = layers;
    losses.remove(Measure.OUTLIERS); // The same at every level: not what a level loses.
    losses.replaceAll((measure, sum) -> measure == Measure.FISHER ? sum : sum / all);
    var measured = database.manifest().sensitivity().values();
    if (measured.stream().anyMatch(unit -> unit.containsKey(name))) {
      losses.put(
          Measure.KL, measured.stream().mapToDouble(unit -> unit.getOrDefault(name, 0.0)).sum());
    }
    return new Level(
        name,
        layers,
        bytes,
        8.0 * bytes / weights,
        zeros / weights,
        losses,
        seconds,
        new HashSet<>(fallbacks).size());
  }
}

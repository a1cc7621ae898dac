package ai.lathe.compress.database;

import ai.lathe.compress.allocation.Allocation;
import ai.lathe.compress.allocation.Fitness;
import ai.lathe.compress.allocation.LevelTable;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Measures on the model what each unit alone loses at each of its levels, all others as they are.
 * The result is written after every unit, so that a run that is interrupted goes on from there.
 */
final class Sensitivity {

  /** Of the choice of text. */
  private static final long SEED = 6;

  private Sensitivity() {}

  /**
   * @param tokens to measure on
   * @return the manifest with what was measured
   */
  static Manifest measure(
      Path directory,
      Manifest manifest,
      LevelTable table,
      Fitness fitness,
      int tokens,
      Progress progress) {
    var measured = new LinkedHashMap<String, Map<String, Double>>(manifest.sensitivity());
    var originals = table.units().stream().map(unit -> unit.options().size() - 1).toList();
    var now = manifest;
    long steps = table.units().stream().mapToLong(unit -> unit.options().size() - 1).sum();
    try (var batch = fitness.draw(tokens, new SplittableRandom(SEED));
        var task = progress.start("sensitivity of " + table.units().size() + " units", steps)) {
      for (int i = 0; i < table.units().size(); i++) {
        var unit = table.units().get(i);
        var losses = new LinkedHashMap<>(measured.getOrDefault(unit.name(), Map.of()));
        int before = losses.size();
        for (int option = 0; option < unit.options().size() - 1; option++) {
          var level = unit.options().get(option).level();
          if (!losses.containsKey(level)) {
            losses.put(level, loss(batch, with(originals, i, option), unit.name(), level));
          }
          task.advance(1);
        }
        if (losses.size() > before) {
          measured.put(unit.name(), losses);
          now = now.withSensitivity(Collections.unmodifiableMap(measured));
          now.write(directory);
        }
      }
    }
    return now;
  }

  private static Allocation with(List<Integer> originals, int unit, int option) {
    var choices = new ArrayList<>(originals);
    choices.set(unit, option);
    return new Allocation(choices);
  }

  /** A divergence that is nothing but rounding may come out below 0. */
  private static double loss(
      Fitness.Batch batch, Allocation allocation, String unit, String level) {
    double loss = batch.loss(allocation);
    if (!Double.isFinite(loss)) {
      throw new LatheException(
          "the model with %s at %s gives no finite divergence: leave the level out"
              .formatted(unit, level));
    }
    return Math.max(0, loss);
  }
}

package ai.lathe.compress.report.page;

import ai.lathe.compress.report.AllocationReport.Choice;
import ai.lathe.compress.report.LayerReport;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/**
 * Layers of a run by block and role. The experts of a block are one: what they have is averaged.
 *
 * @param outside layers that stand in no block
 */
record LayerGrid(
    List<Integer> blocks, List<String> roles, Map<Place, Cell> cells, List<Cell> outside) {

  /**
   * What stands at one place.
   *
   * @param level by name; empty where no allocator chose it
   * @param error NaN where it was not measured
   */
  record Cell(
      String name,
      int layers,
      String encoding,
      String level,
      long bytes,
      long weights,
      double zeros,
      double error) {

    double bits() {
      return weights == 0 ? 0 : 8.0 * bytes / weights;
    }

    double sparsity() {
      return weights == 0 ? 0 : zeros / weights;
    }

    private Cell plus(Cell other) {
      int all = layers + other.layers;
      return new Cell(
          name,
          all,
          encoding.equals(other.encoding) ? encoding : "several",
          level.equals(other.level) ? level : "several",
          bytes + other.bytes,
          weights + other.weights,
          zeros + other.zeros,
          (error * layers + other.error * other.layers) / all);
    }
  }

  static LayerGrid of(Run run) {
    var all = new LinkedHashMap<String, Cell>();
    var levels = levels(run);
    for (var layer : run.report().layers()) {
      all.put(layer.name(), cell(layer, levels.getOrDefault(layer.name(), "")));
    }
    var allocation = run.report().allocation();
    if (allocation != null) {
      // What keeps its original values was compressed by nobody, and is no layer of the report.
      for (var choice : allocation.choices()) {
        if (choice.members().size() == 1) {
          all.putIfAbsent(choice.members().getFirst(), cell(choice));
        }
      }
    }
    var cells = new HashMap<Place, Cell>();
    var blocks = new TreeSet<Integer>();
    var roles = new LinkedHashSet<String>();
    var outside = new ArrayList<Cell>();
    all.forEach(
        (name, cell) -> {
          var place = Place.of(name);
          if (place.block() < 0) {
            outside.add(cell);
            return;
          }
          var merged = new Place(place.block(), place.role().replaceAll("\\.[0-9]+(?=\\.)", ".*"));
          blocks.add(merged.block());
          roles.add(merged.role());
          cells.merge(merged, cell, Cell::plus);
        });
    return new LayerGrid(List.copyOf(blocks), List.copyOf(roles), Map.copyOf(cells), outside);
  }

  private static Map<String, String> levels(Run run) {
    var levels = new HashMap<String, String>();
    var allocation = run.report().allocation();
    if (allocation != null) {
      for (var choice : allocation.choices()) {
        choice.members().forEach(member -> levels.put(member, choice.level()));
      }
    }
    return levels;
  }

  private static Cell cell(LayerReport layer, String level) {
    long weights = (long) layer.rows() * layer.columns();
    return new Cell(
        layer.name(),
        1,
        layer.encoding(),
        level,
        layer.bytes(),
        weights,
        layer.sparsity() * weights,
        layer.relativeError());
  }

  private static Cell cell(Choice choice) {
    return new Cell(
        choice.members().getFirst(),
        1,
        choice.encoding(),
        choice.level(),
        choice.bytes(),
        choice.weights(),
        0,
        Double.NaN);
  }

  /** The shortest ends of roles that still tell them apart: {@code q_proj}. */
  List<String> shortRoles() {
    for (int parts = 1; ; parts++) {
      var names = new ArrayList<String>();
      boolean whole = true;
      for (var role : roles) {
        var all = role.split("\\.");
        int from = Math.max(0, all.length - parts);
        whole &= from == 0;
        names.add(String.join(".", List.of(all).subList(from, all.length)));
      }
      if (whole || new LinkedHashSet<>(names).size() == names.size()) {
        return names;
      }
    }
  }
}

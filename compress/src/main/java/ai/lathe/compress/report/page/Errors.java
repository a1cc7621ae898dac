package ai.lathe.compress.report.page;

import ai.lathe.compress.report.LayerReport;
import ai.lathe.compress.report.page.LayerGrid.Cell;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Stream;

/** How far each layer's outputs are from the original's. */
final class Errors {

  private static final String ID = "errors";
  private static final String TITLE = "Error by layer";

  /**
   * Bars in groups of blocks.
   *
   * @param values by block; null where there is none
   */
  record Figure(List<Integer> blocks, List<Series> series) {
    record Series(String name, List<Double> values) {}
  }

  private Errors() {}

  static Section of(List<Run> runs) {
    var grids = runs.stream().map(LayerGrid::of).toList();
    boolean any =
        grids.stream()
            .flatMap(grid -> grid.cells().values().stream())
            .anyMatch(cell -> cell.error() > 0);
    if (!any) {
      return Section.missing(ID, TITLE, "The report holds no errors of layers in blocks.");
    }
    return runs.size() == 1 ? one(runs.getFirst(), grids.getFirst()) : several(runs, grids);
  }

  private static Section one(Run run, LayerGrid grid) {
    var names = grid.shortRoles();
    var series = new ArrayList<Figure.Series>();
    for (int i = 0; i < names.size(); i++) {
      var role = grid.roles().get(i);
      var values =
          grid.blocks().stream()
              .map(block -> error(Stream.ofNullable(grid.cells().get(new Place(block, role)))))
              .toList();
      series.add(new Figure.Series(names.get(i), new ArrayList<>(values)));
    }
    boolean calibrated = run.report().layers().stream().anyMatch(layer -> layer.calibrated());
    return new Section(
        ID,
        TITLE,
        (calibrated
                ? "The share of each layer's output, on calibration text, that compression lost;"
                : "The share of each layer's weights, squared, that compression lost;")
            + " shorter is better, and each line up is a multiple of the one below. Bars that stand out"
            + " are layers to give more bits.",
        Section.chart(ID, "relative error of every layer; the table below holds them all")
            + table(run).folded(),
        Map.of(ID, new Figure(grid.blocks(), series)));
  }

  private static Table table(Run run) {
    var table =
        new Table(
            "every layer",
            List.of("layer", "shape", "stored as", "bytes", "bits", "zeros", "error", "seconds"));
    for (var layer : run.report().layers()) {
      double weights = Math.max(1, (double) layer.rows() * layer.columns());
      table.row(
          List.of(
              layer.name(),
              layer.rows() + " × " + layer.columns(),
              layer.encoding(),
              Numbers.count(layer.bytes()),
              Numbers.fixed(8 * layer.bytes() / weights, 3),
              Numbers.percent(layer.sparsity()),
              Numbers.loss(layer.relativeError()),
              Numbers.fixed(layer.seconds(), 2)));
    }
    return table;
  }

  private static Section several(List<Run> runs, List<LayerGrid> grids) {
    var blocks = new TreeSet<Integer>();
    grids.forEach(grid -> blocks.addAll(grid.blocks()));
    var series = new ArrayList<Figure.Series>();
    for (int i = 0; i < runs.size(); i++) {
      var grid = grids.get(i);
      var values =
          blocks.stream()
              .map(
                  block ->
                      error(
                          grid.roles().stream()
                              .map(role -> grid.cells().get(new Place(block, role)))
                              .filter(cell -> cell != null)))
              .toList();
      series.add(new Figure.Series(runs.get(i).name(), new ArrayList<>(values)));
    }
    var header = new ArrayList<>(List.of("block"));
    runs.forEach(run -> header.add(run.name()));
    var table = new Table("mean error of each block's layers", header);
    int row = 0;
    for (int block : blocks) {
      var cells = new ArrayList<>(List.of(Integer.toString(block)));
      for (var one : series) {
        var value = one.values().get(row);
        cells.add(Numbers.loss(value == null ? Double.NaN : value));
      }
      table.row(cells);
      row++;
    }
    return new Section(
        ID,
        TITLE,
        "The share of output that compression lost, averaged over the layers of each block; shorter is"
            + " better, and each line up is a multiple of the one below.",
        Section.chart(ID, "mean relative error of every block; the table below holds them all")
            + warning(runs)
            + table.folded(),
        Map.of(ID, new Figure(List.copyOf(blocks), series)));
  }

  /** Of outputs on calibration text, or of weights: two scales. */
  private static String warning(List<Run> runs) {
    var ways =
        runs.stream()
            .flatMap(run -> run.report().layers().stream())
            .map(LayerReport::calibrated)
            .distinct()
            .count();
    return ways < 2
        ? ""
        : "<p class=\"warning\">Some of these errors are of outputs on calibration text and some of"
            + " weights alone: compare them within a run, not between runs.</p>\n";
  }

  /** The mean; null where there is none, and where it is 0, which a logarithm cannot show. */
  private static Double error(Stream<Cell> cells) {
    var mean = cells.mapToDouble(Cell::error).filter(Double::isFinite).average();
    return mean.isPresent() && mean.getAsDouble() > 0 ? (Double) mean.getAsDouble() : null;
  }
}

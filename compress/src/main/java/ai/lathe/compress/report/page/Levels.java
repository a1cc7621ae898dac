package ai.lathe.compress.report.page;

import ai.lathe.compress.report.page.LayerGrid.Cell;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;

/** What each layer was given, by block and role: a table whose cells are coloured. */
final class Levels {

  private static final String ID = "levels";
  private static final String TITLE = "What each layer was given";

  /** Colours tell differences of this many bits at least. */
  private static final double LEAST_RANGE = 2;

  private record Scale(double low, double high) {
    /** From 0 to 1. */
    double at(double value) {
      return Math.clamp((value - low) / (high - low), 0.0, 1.0);
    }
  }

  private Levels() {}

  static Section of(List<Run> runs) {
    var grids = runs.stream().map(LayerGrid::of).toList();
    var cells = grids.stream().flatMap(grid -> grid.cells().values().stream()).toList();
    if (cells.isEmpty()) {
      return Section.missing(ID, TITLE, "The report names no layers that stand in blocks.");
    }
    var bits = bits(cells);
    boolean sparse = cells.stream().anyMatch(cell -> cell.sparsity() > 0);
    var html = new StringBuilder();
    for (int i = 0; i < runs.size(); i++) {
      var grid = grids.get(i);
      if (runs.size() > 1) {
        html.append("<h3>").append(Html.text(runs.get(i).name())).append("</h3>\n");
      }
      if (grid.cells().isEmpty()) {
        html.append("<p class=\"missing\">This report names no layers that stand in blocks.</p>\n");
        continue;
      }
      html.append(map(grid, "bits per weight", bits, Cell::bits, 1));
      if (sparse) {
        html.append(map(grid, "% zeros", new Scale(0, 100), cell -> 100 * cell.sparsity(), 0));
      }
      html.append(outside(grid.outside())).append(kinds(grid));
    }
    return new Section(
        ID,
        TITLE,
        "Stored bits per weight of every layer, scales and masks included, by block and role; a stronger"
            + " colour means more bits, and so more bytes. A mixture spends them where the model is most"
            + " easily hurt.",
        html.toString());
  }

  private static Scale bits(List<Cell> cells) {
    double low = cells.stream().mapToDouble(Cell::bits).min().orElseThrow();
    double high = cells.stream().mapToDouble(Cell::bits).max().orElseThrow();
    double missing = Math.max(0, LEAST_RANGE - (high - low)) / 2;
    return new Scale(Math.max(0, low - missing), high + missing);
  }

  private static String map(
      LayerGrid grid, String unit, Scale scale, ToDoubleFunction<Cell> value, int decimals) {
    int blocks = grid.blocks().size();
    int roles = grid.roles().size();
    var html = new StringBuilder();
    html.append(
        """
        <p class="scale"><span>%s</span> <b>%s</b><i></i><b>%s</b></p>
        <table class="heat%s" role="table" style="--blocks:%d;--roles:%d"><caption class="hidden">\
        %s by role and block</caption>
        """
            .formatted(
                Html.text(unit),
                Numbers.fixed(scale.low(), decimals),
                Numbers.fixed(scale.high(), decimals),
                blocks > 34 ? " dense" : "",
                blocks,
                roles,
                Html.text(unit)));
    html.append(
        "<thead role=\"rowgroup\"><tr role=\"row\"><td role=\"cell\" class=\"corner\"></td>");
    for (int block : grid.blocks()) {
      html.append("<th role=\"columnheader\" scope=\"col\"><span class=\"hidden\">block </span>")
          .append(block)
          .append("</th>");
    }
    html.append("</tr></thead><tbody role=\"rowgroup\">\n");
    var names = grid.shortRoles();
    for (int role = 0; role < roles; role++) {
      html.append("<tr role=\"row\"><th role=\"rowheader\" scope=\"row\"><span>")
          .append(Html.text(names.get(role)))
          .append("</span></th>");
      for (int block : grid.blocks()) {
        var cell = grid.cells().get(new Place(block, grid.roles().get(role)));
        html.append(cell == null ? "<td role=\"cell\"></td>" : cell(cell, scale, value, decimals));
      }
      html.append("</tr>\n");
    }
    return html.append("</tbody></table>\n").toString();
  }

  private static String cell(Cell cell, Scale scale, ToDoubleFunction<Cell> value, int decimals) {
    double share = scale.at(value.applyAsDouble(cell));
    var details = new ArrayList<String>();
    details.add(
        cell.layers() == 1
            ? cell.name()
            : "%d layers like %s".formatted(cell.layers(), cell.name()));
    details.add((cell.level().isEmpty() ? "" : cell.level() + ", ") + cell.encoding());
    details.add(
        "%s bits per weight, %s"
            .formatted(Numbers.fixed(cell.bits(), 3), Numbers.bytes(cell.bytes())));
    if (cell.sparsity() > 0) {
      details.add(Numbers.percent(cell.sparsity()) + " zeros");
    }
    if (Double.isFinite(cell.error())) {
      details.add("relative error " + Numbers.loss(cell.error()));
    }
    return "<td role=\"cell\" class=\"cell%s\" style=\"--at:%s\" data-tip=\"%s\">%s</td>"
        .formatted(
            share > 0.62 ? " strong" : share > 0.45 ? " middle" : "",
            Numbers.fixed(share, 3),
            Html.text(String.join("\n", details)),
            Numbers.fixed(value.applyAsDouble(cell), decimals));
  }

  private static String outside(List<Cell> cells) {
    if (cells.isEmpty()) {
      return "";
    }
    var words =
        cells.stream()
            .map(
                cell ->
                    "%s (%s, %s bits)"
                        .formatted(cell.name(), cell.encoding(), Numbers.fixed(cell.bits(), 2)))
            .toList();
    return "<p class=\"remark\">Outside blocks: " + Html.text(String.join(", ", words)) + ".</p>\n";
  }

  /** How many layers have which level. */
  private static String kinds(LayerGrid grid) {
    record Kind(int layers, long bytes, long weights) {}
    Map<String, Kind> kinds = new TreeMap<>();
    var all = new ArrayList<>(grid.cells().values());
    all.addAll(grid.outside());
    for (var cell : all) {
      var name = cell.level().isEmpty() ? cell.encoding() : cell.level() + ": " + cell.encoding();
      kinds.merge(
          name,
          new Kind(cell.layers(), cell.bytes(), cell.weights()),
          (a, b) -> new Kind(a.layers + b.layers, a.bytes + b.bytes, a.weights + b.weights));
    }
    var table =
        new Table("levels", List.of("level", "layers", "weights", "bytes", "bits per weight"));
    kinds.forEach(
        (name, kind) ->
            table.row(
                List.of(
                    name,
                    Numbers.count(kind.layers),
                    Numbers.count(kind.weights),
                    Numbers.bytes(kind.bytes),
                    Numbers.fixed(8.0 * kind.bytes / Math.max(1, kind.weights), 3))));
    return table.folded();
  }
}

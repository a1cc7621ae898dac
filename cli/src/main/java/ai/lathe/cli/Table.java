package ai.lathe.cli;

import java.util.ArrayList;
import java.util.List;

/** Rows under a header, in columns wide enough; numbers stand right. */
final class Table {

  private static final String GAP = "  ";

  private final List<String> header;
  private final List<List<String>> rows = new ArrayList<>();

  Table(String... header) {
    this.header = List.of(header);
  }

  Table row(String... cells) {
    if (cells.length != header.size()) {
      throw new IllegalArgumentException(cells.length + " cells under " + header);
    }
    rows.add(List.of(cells));
    return this;
  }

  List<String> lines() {
    var widths = new int[header.size()];
    var right = new boolean[header.size()];
    for (int j = 0; j < widths.length; j++) {
      int column = j;
      widths[j] = header.get(j).length();
      rows.forEach(row -> widths[column] = Math.max(widths[column], row.get(column).length()));
      right[j] =
          !rows.isEmpty()
              && rows.stream().map(row -> row.get(column)).allMatch(Table::isNumber)
              && rows.stream().anyMatch(row -> !row.get(column).isEmpty());
    }
    var lines = new ArrayList<String>();
    lines.add(line(header, widths, right));
    rows.forEach(row -> lines.add(line(row, widths, right)));
    return lines;
  }

  private static String line(List<String> cells, int[] widths, boolean[] right) {
    var line = new StringBuilder();
    for (int j = 0; j < widths.length; j++) {
      var padding = " ".repeat(widths[j] - cells.get(j).length());
      line.append(j == 0 ? "" : GAP);
      line.append(right[j] ? padding + cells.get(j) : cells.get(j) + padding);
    }
    return line.toString().stripTrailing();
  }

  /** Also with a unit behind it, and where there is no value. */
  private static boolean isNumber(String cell) {
    return cell.isEmpty()
        || cell.equals("-")
        || cell.matches("[-+]?[0-9][0-9,.eE+-]*( ?[a-zA-Z%]+)?");
  }
}

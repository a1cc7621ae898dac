package ai.lathe.compress.report.page;

import java.util.ArrayList;
import java.util.List;

/** Rows of plain text under a header, as an HTML table; columns of numbers stand right. */
public final class Table {

  /** Characters that a cell may have before its column may break them anywhere. */
  private static final int LONG = 40;

  private final String caption;
  private final List<String> header;
  private final List<List<String>> rows = new ArrayList<>();

  /**
   * @param caption what the rows are, in a few words
   */
  public Table(String caption, List<String> header) {
    this.caption = caption;
    this.header = List.copyOf(header);
  }

  /** One cell a column. */
  public Table row(List<String> cells) {
    if (cells.size() != header.size()) {
      throw new IllegalArgumentException(cells.size() + " cells under " + header);
    }
    rows.add(List.copyOf(cells));
    return this;
  }

  public boolean isEmpty() {
    return rows.isEmpty();
  }

  /** In view; wide ones scroll by themselves. */
  public String html() {
    var html = new StringBuilder();
    html.append("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"")
        .append(Html.text(caption))
        .append("\"><table><caption class=\"hidden\">")
        .append(Html.text(caption))
        .append("</caption><thead><tr>");
    var right = new boolean[header.size()];
    var wide = new boolean[header.size()];
    for (int j = 0; j < right.length; j++) {
      int column = j;
      right[j] = !rows.isEmpty() && rows.stream().allMatch(row -> isNumber(row.get(column)));
      wide[j] = rows.stream().anyMatch(row -> row.get(column).length() > LONG);
      html.append(right[j] ? "<th scope=\"col\" class=\"n\">" : "<th scope=\"col\">")
          .append(Html.text(header.get(j)))
          .append("</th>");
    }
    html.append("</tr></thead><tbody>\n");
    for (var row : rows) {
      html.append("<tr>");
      for (int j = 0; j < right.length; j++) {
        html.append(j == 0 ? "<th scope=\"row\"" : "<td")
            .append(right[j] ? " class=\"n\">" : wide[j] ? " class=\"w\">" : ">")
            .append(Html.text(row.get(j)))
            .append(j == 0 ? "</th>" : "</td>");
      }
      html.append("</tr>\n");
    }
    return html.append("</tbody></table></div>\n").toString();
  }

  /** Names and values: as wide as they are, and nothing stands right. */
  String facts() {
    return html().replaceFirst("<table>", "<table class=\"facts\">");
  }

  /** Behind a line that opens it. */
  public String folded() {
    return "<details><summary>"
        + Html.text("Table: " + caption)
        + "</summary>"
        + html()
        + "</details>\n";
  }

  private static boolean isNumber(String cell) {
    return cell.equals("–")
        || cell.matches("[-+]?[0-9][0-9,.eE+-]*( ?([kMGT]?B|s|%|×|(h|min) [0-9]+ (min|s)))?");
  }
}

package ai.lathe.compress.report.page;

import java.util.List;

/** What did not go as configured, and what was decided without being asked for. */
final class Remarks {

  private static final int SHOWN = 8;

  private Remarks() {}

  static Section of(List<Run> runs) {
    var html = new StringBuilder();
    for (var run : runs) {
      if (runs.size() > 1) {
        html.append("<h3>").append(Html.text(run.name())).append("</h3>\n");
      }
      var fallbacks = run.report().fallbacks();
      html.append(
          list(
              fallbacks.isEmpty()
                  ? "No fallbacks: every layer got what was asked for."
                  : fallbacks.size() == 1 ? "1 fallback" : fallbacks.size() + " fallbacks",
              fallbacks));
      var notes = run.report().notes();
      html.append(
          list(
              notes.isEmpty()
                  ? "No notes."
                  : notes.size() == 1 ? "1 note" : notes.size() + " notes",
              notes));
    }
    return new Section(
        "remarks",
        "Fallbacks and notes",
        "A fallback is a layer that could not be given what was asked for and got the nearest thing"
            + " that it can have. A note is a decision that nobody asked for by name.",
        html.toString(),
        null);
  }

  private static String list(String title, List<String> lines) {
    var html = new StringBuilder("<p class=\"remark\"><b>" + Html.text(title) + "</b></p>\n");
    if (lines.isEmpty()) {
      return html.toString();
    }
    html.append(items(lines.subList(0, Math.min(SHOWN, lines.size()))));
    if (lines.size() > SHOWN) {
      html.append("<details><summary>%d more</summary>".formatted(lines.size() - SHOWN))
          .append(items(lines.subList(SHOWN, lines.size())))
          .append("</details>\n");
    }
    return html.toString();
  }

  private static String items(List<String> lines) {
    var html = new StringBuilder("<ul class=\"remarks\">");
    lines.forEach(line -> html.append("<li>").append(Html.text(line)).append("</li>"));
    return html.append("</ul>\n").toString();
  }
}

package ai.lathe.compress.report.page;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.function.Function;

/** What did not go as configured, and what was decided without being asked for. */
final class Remarks {

  private static final int SHOWN = 8;

  private Remarks() {}

  static Section of(List<Run> runs) {
    var fallbacks = lines(runs, run -> run.report().fallbacks());
    var notes = lines(runs, run -> run.report().notes());
    return new Section(
        "remarks",
        "Fallbacks and notes",
        "A fallback is a layer that could not be given what was asked for and got the nearest thing"
            + " that it can have. A note is a decision that nobody asked for by name.",
        list("No fallbacks: every layer got what was asked for.", "fallback", fallbacks)
            + list("No notes.", "note", notes));
  }

  /** All lines, each once, with the runs that have it where not all have. */
  private static List<String> lines(List<Run> runs, Function<Run, List<String>> of) {
    var having = new LinkedHashMap<String, List<String>>();
    for (var run : runs) {
      for (var line : new LinkedHashSet<>(of.apply(run))) {
        having.computeIfAbsent(line, _ -> new ArrayList<>()).add(run.name());
      }
    }
    return having.entrySet().stream()
        .map(
            line ->
                line.getValue().size() == runs.size()
                    ? line.getKey()
                    : "%s: %s".formatted(String.join(", ", line.getValue()), line.getKey()))
        .toList();
  }

  private static String list(String none, String one, List<String> lines) {
    var title =
        lines.isEmpty() ? none : lines.size() == 1 ? "1 " + one : lines.size() + " " + one + "s";
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

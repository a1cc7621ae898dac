package ai.lathe.compress.report.page;

import ai.lathe.compress.report.AllocationReport;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;

/** How a search for levels went. */
final class Search {

  private static final String ID = "search";
  private static final String TITLE = "How the levels were chosen";

  record Figure(List<Series> series) {
    record Series(String name, List<Step> steps) {}

    record Step(long evaluated, double loss) {}
  }

  private Search() {}

  static Section of(List<Run> runs) {
    var chosen = runs.stream().filter(run -> run.report().allocation() != null).toList();
    if (chosen.isEmpty()) {
      return Section.missing(ID, TITLE, "No allocator ran: the recipe gave every layer its level.");
    }
    var html = new StringBuilder();
    var series = new ArrayList<Figure.Series>();
    for (var run : chosen) {
      var allocation = run.report().allocation();
      html.append("<p class=\"remark\">")
          .append(Html.text((runs.size() == 1 ? "" : run.name() + ": ") + words(allocation)))
          .append("</p>\n");
      if (!allocation.history().isEmpty()) {
        series.add(
            new Figure.Series(
                run.name(),
                allocation.history().stream()
                    .map(step -> new Figure.Step(step.evaluated(), step.loss()))
                    .toList()));
      }
    }
    var predicted = Predicted.of(chosen, runs.size() > 1);
    var tables = beside(chosen) + probes(chosen);
    if (series.isEmpty()) {
      return new Section(
          ID,
          TITLE,
          "The levels were computed from the losses of single layers, not searched for on the model.",
          html + predicted.html() + tables,
          predicted.figures());
    }
    var figures = new LinkedHashMap<>(predicted.figures());
    figures.put(ID, new Figure(series));
    return new Section(
        ID,
        TITLE,
        "Loss of the best choice so far by how many were measured; lower is better. A line that has"
            + " gone flat says that searching longer would hardly help.",
        Section.chart(ID, "loss by evaluated choices; the table below holds every step")
            + html
            + predicted.html()
            + steps(chosen)
            + tables,
        figures);
  }

  private static String steps(List<Run> runs) {
    var table = new Table("steps of the search", List.of("run", "step", "evaluated", "loss"));
    for (var run : runs) {
      for (var step : run.report().allocation().history()) {
        table.row(
            List.of(
                run.name(),
                Integer.toString(step.step()),
                Numbers.count(step.evaluated()),
                Numbers.loss(step.loss())));
      }
    }
    return table.folded();
  }

  /** What other choices would have come to. */
  private static String beside(List<Run> runs) {
    var table =
        new Table(
            "other choices", List.of("choice", "of", "size", "KL", "EAR", "loss as predicted"));
    for (var run : runs) {
      for (var point : run.report().allocation().points()) {
        table.row(
            List.of(
                point.name(),
                run.name(),
                Numbers.bytes(point.bytes()),
                Numbers.loss(orUnknown(point.kl())),
                Numbers.rate(orUnknown(point.ear())),
                Numbers.loss(orUnknown(point.predicted()))));
      }
    }
    return table.isEmpty() ? "" : table.folded();
  }

  /** What was measured until the target was met. */
  private static String probes(List<Run> runs) {
    var table =
        new Table(
            "measured on the way to the target",
            List.of("run", "on", "size", "measure", "value", "limit", "met"));
    for (var run : runs) {
      for (var probe : run.report().allocation().probes()) {
        table.row(
            List.of(
                run.name(),
                String.valueOf(probe.on()),
                Numbers.bytes(probe.artifactBytes()),
                String.valueOf(probe.metric()),
                Numbers.loss(probe.value()),
                Numbers.loss(probe.limit()),
                probe.met() ? "yes" : "no"));
      }
    }
    return table.isEmpty() ? "" : table.folded();
  }

  private static double orUnknown(Double value) {
    return value == null ? Double.NaN : value;
  }

  private static String words(AllocationReport allocation) {
    var words = new StringBuilder();
    words.append(
        "%s chose one level for each of %d units"
            .formatted(allocation.allocator(), allocation.choices().size()));
    if (allocation.target() != null) {
      words.append(" to reach ").append(allocation.target());
    }
    if (allocation.budgetBytes() > 0) {
      words.append(
          ". They take %s of the %s bytes that they might (%s)"
              .formatted(
                  Numbers.count(allocation.bytes()),
                  Numbers.count(allocation.budgetBytes()),
                  Numbers.fixed(100.0 * allocation.bytes() / allocation.budgetBytes(), 2) + " %"));
    }
    if (allocation.measure() != null) {
      words.append(". Loss by ").append(allocation.measure().toLowerCase(Locale.ROOT));
      words.append(": ").append(Numbers.loss(allocation.loss()));
      if (allocation.bound() != null) {
        boolean least = allocation.loss() <= allocation.bound() * (1 + 1e-9);
        words.append(
            least
                ? ", the least that there is within the budget"
                : ", and none within the budget is below " + Numbers.loss(allocation.bound()));
      }
    }
    return words.append('.').toString();
  }
}

package ai.lathe.compress.report.page;

import ai.lathe.compress.report.AllocationReport;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Losses of single layers, added up: what was chosen beside one level for all layers. It costs
 * nothing to know, where measuring each of these artifacts would.
 */
final class Predicted {

  private static final String ID = "predicted";

  /**
   * @param html empty where the reports do not tell
   */
  record Drawn(String html, Map<String, Object> figures) {}

  private Predicted() {}

  static Drawn of(List<Run> chosen, boolean several) {
    var measure = String.valueOf(chosen.getFirst().report().allocation().measure());
    var points = new ArrayList<Scatter.Point>();
    var uniform = new LinkedHashSet<Scatter.Point>();
    for (var run : chosen) {
      var allocation = run.report().allocation();
      double loss = loss(allocation, measure);
      if (!measure.equals(allocation.measure()) || !(loss > 0)) {
        continue;
      }
      points.add(
          point(
              several ? run.name() : "this artifact",
              run.name(),
              run.report().size().artifactBytes(),
              loss));
      for (var other : allocation.points()) {
        if (other.predicted() != null && other.predicted() > 0) {
          uniform.add(
              point("one level for all layers", other.name(), other.bytes(), other.predicted()));
        }
      }
    }
    if (points.isEmpty() || uniform.isEmpty()) {
      return new Drawn("", Map.of());
    }
    points.addAll(uniform);
    var name = measure.toLowerCase(Locale.ROOT);
    var scatter =
        Scatter.of("predicted loss", chosen.getFirst().report().size().originalBytes(), points);
    var caption =
        "What was predicted: losses of single layers (%s) added up, of this choice and of one level for all layers. Lower and further left is better."
            .formatted(name);
    return new Drawn(
        "<p class=\"caption\">%s</p>\n%s"
            .formatted(
                Html.text(caption),
                Section.chart(ID, "predicted loss against size; the table below holds it")),
        Map.of(ID, scatter));
  }

  private static Scatter.Point point(String series, String name, long bytes, double loss) {
    return new Scatter.Point(
        series,
        name,
        true,
        bytes,
        loss,
        List.of(Numbers.bytes(bytes), "predicted loss " + Numbers.loss(loss)));
  }

  /** Of what was chosen; NaN where a unit's is not known. */
  private static double loss(AllocationReport allocation, String measure) {
    double sum = 0;
    for (var choice : allocation.choices()) {
      sum +=
          choice.options().stream()
              .filter(option -> choice.level().equals(option.level()))
              .filter(option -> option.losses() != null)
              .map(option -> option.losses().get(measure.toLowerCase(Locale.ROOT)))
              .filter(loss -> loss != null)
              .findFirst()
              .orElse(Double.NaN);
    }
    return sum;
  }
}

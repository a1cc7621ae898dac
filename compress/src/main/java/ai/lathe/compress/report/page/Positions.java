package ai.lathe.compress.report.page;

import ai.lathe.eval.PositionKl;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Divergence by how much context the models had. */
final class Positions {

  private static final String ID = "positions";
  private static final String TITLE = "Divergence by position";

  record Figure(List<Series> series) {
    record Series(String name, List<PositionKl> ranges) {}
  }

  private Positions() {}

  static Section of(List<Run> runs) {
    var series = new ArrayList<Figure.Series>();
    for (var run : runs) {
      run.language()
          .filter(language -> language.divergence() != null)
          .filter(language -> !language.divergence().byPosition().isEmpty())
          .ifPresent(
              language ->
                  series.add(new Figure.Series(run.name(), language.divergence().byPosition())));
    }
    if (series.isEmpty()) {
      boolean encoder = runs.stream().anyMatch(run -> run.embedding().isPresent());
      return Section.missing(
          ID,
          TITLE,
          encoder
              ? "An encoder predicts no next token: there are no positions to tell apart."
              : "The report holds no divergence by position: an older version wrote it, or nothing was"
                  + " measured against the original.");
    }
    var table =
        new Table(
            "divergence by position",
            List.of("run", "tokens of context", "predictions", "KL", "standard error"));
    for (var one : series) {
      for (var range : one.ranges()) {
        table.row(
            List.of(
                one.name(),
                range.from() == range.to()
                    ? Integer.toString(range.from())
                    : range.from() + " to " + range.to(),
                Numbers.count(range.tokens()),
                Numbers.loss(range.kl()),
                Numbers.loss(range.error())));
      }
    }
    return new Section(
        ID,
        TITLE,
        "Mean KL divergence by how many tokens of the text the models had already seen; lower is"
            + " better. Flat is good: a line that climbs to the right says that errors grow with the"
            + " length of the text.",
        Section.chart(ID, "divergence by tokens of context; the table below holds every range")
            + table.folded(),
        Map.of(ID, new Figure(series)));
  }
}

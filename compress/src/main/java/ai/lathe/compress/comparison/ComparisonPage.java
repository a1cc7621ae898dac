package ai.lathe.compress.comparison;

import ai.lathe.compress.comparison.ComparisonReport.Row;
import ai.lathe.compress.report.page.Numbers;
import ai.lathe.compress.report.page.Page;
import ai.lathe.compress.report.page.Scatter;
import ai.lathe.compress.report.page.Section;
import ai.lathe.compress.report.page.Table;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** A comparison as a page: loss against size of everything that was run, and all figures. */
public final class ComparisonPage {

  private ComparisonPage() {}

  public static Page of(ComparisonReport report) {
    var done = report.rows().stream().filter(row -> Double.isFinite(row.loss())).toList();
    boolean encoder = report.referencePerplexity() == null;
    var sections = new ArrayList<Section>();
    if (!done.isEmpty()) {
      sections.add(fidelity(report, done, encoder));
    }
    sections.add(
        new Section(
            "everything",
            "Everything that was measured",
            "Calibrated on %s (%d sequences, seed %d), measured on %s."
                .formatted(
                    Page.lastPart(report.calibration()),
                    report.samples(),
                    report.seed(),
                    Page.lastPart(report.evaluation())),
            table(done, encoder).html()));
    var refused = refused(report.rows());
    if (!refused.isEmpty()) {
      sections.add(
          new Section(
              "refused",
              "What does not go together",
              "These were asked for and cannot be done, each for the reason that stands beside it.",
              refused.html()));
    }
    return new Page(
        report.version(),
        "Comparison of methods on " + Page.lastPart(report.model()),
        Page.lastPart(report.model()) + " – Lathe",
        headline(done, encoder),
        "",
        sections,
        report);
  }

  private static String headline(List<Row> done, boolean encoder) {
    var best = done.stream().min(Comparator.comparingDouble(Row::loss));
    return best.map(
            row ->
                "%d ways of compressing measured; %s by %s is the most faithful, with %s of %s"
                    .formatted(
                        done.size(),
                        row.scheme(),
                        row.method(),
                        encoder ? "a cosine" : "a KL",
                        encoder ? Numbers.rate(row.cosine()) : Numbers.loss(row.kl())))
        .orElse("Nothing of this could be done");
  }

  private static Section fidelity(ComparisonReport report, List<Row> done, boolean encoder) {
    var points =
        done.stream()
            .map(
                row ->
                    new Scatter.Point(
                        row.method(),
                        row.scheme(),
                        true,
                        row.bytes(),
                        row.loss(),
                        details(row, encoder)))
            .toList();
    return Scatter.of(
            encoder ? "1 − cosine" : "KL divergence (nats)", report.originalBytes(), points)
        .section();
  }

  private static List<String> details(Row row, boolean encoder) {
    return List.of(
        "%s, %s bits per weight"
            .formatted(Numbers.bytes(row.bytes()), Numbers.fixed(row.bitsPerWeight(), 2)),
        encoder
            ? "cosine " + Numbers.fixed(row.cosine(), 5)
            : "KL %s, EAR %s".formatted(Numbers.loss(row.kl()), Numbers.rate(row.ear())));
  }

  private static Table table(List<Row> done, boolean encoder) {
    var header = new ArrayList<>(List.of("scheme", "method", "size", "bits per weight"));
    header.addAll(
        encoder ? List.of("cosine") : List.of("KL", "EAR", "same top token", "perplexity"));
    header.addAll(List.of("fallbacks", "seconds"));
    var table = new Table("everything that was measured", header);
    for (var row : done) {
      var cells =
          new ArrayList<>(
              List.of(
                  row.scheme(),
                  row.method(),
                  Numbers.bytes(row.bytes()),
                  Numbers.fixed(row.bitsPerWeight(), 2)));
      cells.addAll(
          encoder
              ? List.of(Numbers.fixed(row.cosine(), 5))
              : List.of(
                  Numbers.loss(row.kl()),
                  Numbers.rate(row.ear()),
                  Numbers.percent(row.top1()),
                  Numbers.fixed(row.perplexity(), 2)));
      cells.add(Numbers.count(row.fallbacks()));
      cells.add(Numbers.fixed(row.seconds(), 1));
      table.row(cells);
    }
    return table;
  }

  private static Table refused(List<Row> rows) {
    var table = new Table("what was refused", List.of("scheme", "method", "why"));
    for (var row : rows) {
      if (row.refused() != null) {
        table.row(List.of(row.scheme(), row.method(), row.refused()));
      }
    }
    return table;
  }
}

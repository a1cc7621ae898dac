package ai.lathe.compress.report.page;

import ai.lathe.compress.report.Report;
import ai.lathe.compress.report.ReportFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/** The page of one run, or of several side by side. */
public final class ReportPage {

  private ReportPage() {}

  /** Where the page of an artifact stands: beside its report. */
  public static Path of(Path artifact) {
    return beside(ReportFile.of(artifact));
  }

  /** Where the page of a report stands: {@code report.html} for {@code report.json}. */
  public static Path beside(Path report) {
    var name = report.getFileName().toString();
    return report.resolveSibling(name.replaceFirst("\\.json$", "") + ".html");
  }

  /**
   * @param reports at least one
   */
  public static Page of(List<Report> reports) {
    var runs = Run.of(reports);
    var sections = new ArrayList<Section>();
    sections.add(Fidelity.of(runs));
    Widths.of(runs).ifPresent(sections::add);
    sections.add(Levels.of(runs));
    sections.add(Errors.of(runs));
    sections.add(Search.of(runs));
    sections.add(Positions.of(runs));
    sections.add(Parts.of(runs));
    sections.add(Remarks.of(runs));
    sections.add(Making.of(runs));
    return new Page(
        Objects.requireNonNullElse(runs.getFirst().report().version(), "of an unknown version"),
        runs.size() == 1 ? "Compression report" : "Comparison of %d runs".formatted(runs.size()),
        title(runs),
        runs.size() == 1 ? Headline.of(runs.getFirst()) : Headline.of(runs),
        runs.size() == 1 ? Headline.summary(runs.getFirst()) : Headline.summary(runs),
        sections,
        reports);
  }

  private static String title(List<Run> runs) {
    var names = new ArrayList<String>();
    runs.forEach(run -> names.add(run.name()));
    return String.join(", ", names) + " – Lathe";
  }
}

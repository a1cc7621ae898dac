package ai.lathe.compress.comparison;

import ai.lathe.compress.comparison.ComparisonReport.Row;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;

/**
 * A comparison as Markdown: the loss of every method at every scheme, then all that was measured.
 */
public final class ComparisonTables {

  private ComparisonTables() {}

  /** The lines of {@code comparison.md}. */
  public static List<String> markdown(ComparisonReport report) {
    var lines = new ArrayList<String>();
    lines.add("# " + report.model());
    lines.add("");
    lines.add(
        "Calibrated on %s (%d sequences, seed %d), measured on %s. The original has %d bytes%s."
            .formatted(
                report.calibration(),
                report.samples(),
                report.seed(),
                report.evaluation(),
                report.originalBytes(),
                report.referencePerplexity() == null
                    ? ""
                    : " and a perplexity of " + number(report.referencePerplexity(), 4)));
    lines.add("");
    lines.addAll(losses(report));
    lines.add("");
    lines.addAll(everything(report));
    return lines;
  }

  private static List<String> losses(ComparisonReport report) {
    boolean encoder = report.referencePerplexity() == null;
    var methods = new LinkedHashSet<String>();
    var schemes = new LinkedHashSet<String>();
    for (var row : report.rows()) {
      methods.add(row.method());
      schemes.add(row.scheme());
    }
    var lines = new ArrayList<String>();
    lines.add(
        (encoder ? "One minus the mean cosine" : "Mean KL divergence, nats") + "; less is better.");
    lines.add("");
    lines.add("| scheme | " + String.join(" | ", methods) + " |");
    lines.add("|---|" + "---:|".repeat(methods.size()));
    for (var scheme : schemes) {
      var line = new StringBuilder("| " + scheme + " |");
      for (var method : methods) {
        var loss =
            report.rows().stream()
                .filter(row -> row.method().equals(method) && row.scheme().equals(scheme))
                .mapToDouble(Row::loss)
                .findFirst()
                .orElse(Double.NaN);
        line.append(' ').append(Double.isNaN(loss) ? "-" : number(loss, 5)).append(" |");
      }
      lines.add(line.toString());
    }
    return lines;
  }

  private static List<String> everything(ComparisonReport report) {
    boolean encoder = report.referencePerplexity() == null;
    var lines = new ArrayList<String>();
    var measures = encoder ? " cosine |" : " KL | EAR | top-1 | perplexity |";
    lines.add(
        "| scheme | method | bytes | bits/weight | of compressed |"
            + measures
            + " fallbacks | seconds |");
    lines.add("|---|---|---:|---:|---:|" + "---:|".repeat(encoder ? 1 : 4) + "---:|---:|");
    for (var row : report.rows()) {
      var start = "| %s | %s |".formatted(row.scheme(), row.method());
      if (row.refused() != null) {
        lines.add(start + " - | - | - |" + " - |".repeat(encoder ? 1 : 4) + " - | - |");
        continue;
      }
      var quality =
          encoder
              ? " %s |".formatted(number(row.cosine(), 5))
              : " %s | %s | %s %% | %s |"
                  .formatted(
                      number(row.kl(), 5),
                      number(row.ear(), 4),
                      number(100 * row.top1(), 2),
                      number(row.perplexity(), 4));
      lines.add(
          "%s %d | %s | %s |%s %d | %s |"
              .formatted(
                  start,
                  row.bytes(),
                  number(row.bitsPerWeight(), 3),
                  number(row.compressedBitsPerWeight(), 3),
                  quality,
                  row.fallbacks(),
                  number(row.seconds(), 1)));
    }
    for (var row : report.rows()) {
      if (row.refused() != null) {
        lines.add("");
        lines.add("%s by %s: %s.".formatted(row.scheme(), row.method(), row.refused()));
      }
    }
    return lines;
  }

  private static String number(double value, int decimals) {
    return String.format(Locale.ROOT, "%." + decimals + "f", value);
  }
}

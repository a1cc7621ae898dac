package ai.lathe.cli;

import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.report.Report;
import java.util.ArrayList;
import java.util.List;

/** Results as lines for people. */
final class Lines {

  private Lines() {}

  static List<String> of(Measurement measured) {
    var lines = new ArrayList<String>();
    switch (measured) {
      case Measurement.Language language -> {
        lines.add(
            line(
                "perplexity",
                Sizes.number(language.perplexity(), 4)
                    + (language.referencePerplexity() == null
                        ? ""
                        : " (reference " + Sizes.number(language.referencePerplexity(), 4) + ")")));
        lines.add(
            line("perplexity, llama.cpp's way", Sizes.number(language.perplexityLlamacpp(), 4)));
        if (language.kl() != null) {
          lines.add(line("mean KL", Sizes.number(language.kl(), 6) + " nats"));
          lines.add(
              line(
                  "EAR",
                  Sizes.number(language.ear(), 5)
                      + " (standard error "
                      + Sizes.number(language.divergence().earError(), 5)
                      + ")"));
          lines.add(line("top-1 agreement", Sizes.number(100 * language.top1(), 2) + " %"));
        }
        lines.add(line("tokens", Sizes.count(language.tokens())));
      }
      case Measurement.Embedding embedding -> {
        lines.add(
            line(
                "mean cosine",
                Sizes.number(embedding.cosine(), 6)
                    + " (worst "
                    + Sizes.number(embedding.cosineMin(), 6)
                    + ")"));
        lines.add(line("texts", Sizes.count(embedding.texts())));
        lines.add(line("tokens", Sizes.count(embedding.tokens())));
        if (embedding.masked() != null) {
          lines.addAll(of(embedding.masked()));
        }
      }
    }
    return lines;
  }

  private static List<String> of(Measurement.Masked masked) {
    return List.of(
        line(
            "perplexity, masked",
            "%s (reference %s)"
                .formatted(
                    Sizes.number(masked.perplexity(), 4),
                    Sizes.number(masked.referencePerplexity(), 4))),
        line("mean KL, masked", Sizes.number(masked.kl(), 6) + " nats"),
        line("top-1, masked", Sizes.number(100 * masked.top1(), 2) + " %"),
        line("masked tokens", Sizes.count(masked.tokens())));
  }

  static List<String> of(Report report) {
    var size = report.size();
    var lines = new ArrayList<String>();
    lines.add(line("artifact", report.artifact()));
    lines.add(line("format", report.format()));
    lines.add(
        line(
            "size",
            "%s -> %s, %s times smaller, %s bits per weight (%s where compressed)"
                .formatted(
                    Sizes.bytes(size.originalBytes()),
                    Sizes.bytes(size.artifactBytes()),
                    Sizes.number(size.ratio(), 2),
                    Sizes.number(size.bitsPerWeight(), 2),
                    Sizes.number(size.quantizedBitsPerWeight(), 2))));
    if (report.widths() != null) {
      lines.add(
          line(
              "narrower blocks",
              "%s %% of the weights of blocks removed"
                  .formatted(Sizes.number(100 * report.widths().removed(), 2))));
    }
    if (size.sparsity() > 0) {
      lines.add(line("sparsity", Sizes.number(100 * size.sparsity(), 2) + " % where compressed"));
    }
    lines.addAll(of(report.quality()));
    lines.add(line("fallbacks", Integer.toString(report.fallbacks().size())));
    double seconds = report.seconds().values().stream().mapToDouble(s -> s).sum();
    lines.add(
        line(
            "took",
            Durations.of((long) (seconds * 1e9))
                + ", "
                + Sizes.bytes(report.peakMemoryBytes())
                + " of memory at the peak"));
    return lines;
  }

  private static String line(String name, String value) {
    return "%-27s %s".formatted(name, value);
  }
}

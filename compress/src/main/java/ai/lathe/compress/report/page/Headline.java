package ai.lathe.compress.report.page;

import ai.lathe.compress.measure.Measurement;
import java.util.ArrayList;
import java.util.List;

/** The outcome in one sentence, and the figures to quote. */
final class Headline {

  /** From this acceptance rate on a model is called distribution-lossless. */
  private static final double LOSSLESS = 0.99;

  private Headline() {}

  /** {@code 4.3× smaller, EAR 0.9912, KL 0.0121 on held-out text}. */
  static String of(Run run) {
    var words = new StringBuilder(Numbers.times(run.report().size().ratio())).append(" smaller");
    run.compared()
        .ifPresent(
            language ->
                words.append(
                    ", EAR %s, KL %s on %s"
                        .formatted(
                            Numbers.rate(language.ear()),
                            Numbers.loss(language.kl()),
                            run.kindOfText())));
    run.embedding()
        .ifPresent(
            embedding ->
                words.append(
                    ", embeddings with a cosine of %s on %s"
                        .formatted(Numbers.rate(embedding.cosine()), run.kindOfText())));
    return words.toString();
  }

  static String of(List<Run> runs) {
    var models = runs.stream().map(Run::model).distinct().toList();
    var ratios = runs.stream().mapToDouble(run -> run.report().size().ratio()).summaryStatistics();
    var words =
        new StringBuilder(
            "%d artifacts%s, %s smaller"
                .formatted(
                    runs.size(),
                    models.size() == 1 ? " of " + models.getFirst() : "",
                    range(Numbers.times(ratios.getMin()), Numbers.times(ratios.getMax()))));
    if (runs.stream().allMatch(run -> run.compared().isPresent())) {
      var losses = runs.stream().mapToDouble(Run::loss).summaryStatistics();
      words
          .append(", KL ")
          .append(range(Numbers.loss(losses.getMin()), Numbers.loss(losses.getMax())));
    }
    return words.toString();
  }

  private static String range(String least, String most) {
    return least.equals(most) ? least : least + " to " + most;
  }

  static String summary(Run run) {
    var size = run.report().size();
    var html = new StringBuilder("<p class=\"lead\">");
    html.append(
        Html.text(
            "%s (%s) became %s (%s)%s."
                .formatted(
                    run.model(),
                    Numbers.bytes(size.originalBytes()),
                    run.name(),
                    Numbers.bytes(size.artifactBytes()),
                    run.report().format() == null ? "" : ", " + run.report().format())));
    var allocation = run.report().allocation();
    if (allocation != null && allocation.target() != null) {
      html.append(' ').append(Html.text("The target was %s.".formatted(allocation.target())));
    }
    run.compared()
        .filter(language -> language.ear() >= LOSSLESS)
        .ifPresent(
            _ -> html.append(" With an EAR of 0.99 or more it counts as distribution-lossless."));
    html.append(measured(run));
    html.append("</p>\n<dl class=\"tiles\">\n");
    tile(
        html,
        "Size",
        Numbers.bytes(size.artifactBytes()),
        "%s of %s"
            .formatted(
                Numbers.percent((double) size.artifactBytes() / size.originalBytes()),
                Numbers.bytes(size.originalBytes())));
    tile(
        html,
        "Bits per weight",
        Numbers.fixed(size.bitsPerWeight(), 2),
        size.quantizedBitsPerWeight() > 0
            ? Numbers.fixed(size.quantizedBitsPerWeight(), 2) + " where compressed"
            : "all matrices");
    if (size.sparsity() > 0) {
      tile(html, "Zeros", Numbers.percent(size.sparsity()), "of compressed weights");
    }
    run.compared().ifPresent(language -> fidelity(html, language));
    run.language().ifPresent(language -> perplexity(html, language));
    run.embedding()
        .ifPresent(
            embedding -> {
              tile(html, "Cosine", Numbers.fixed(embedding.cosine(), 5), "mean; 1 is the same");
              tile(html, "Worst text", Numbers.fixed(embedding.cosineMin(), 5), "least cosine");
            });
    html.append("</dl>\n");
    if (run.report().quality() == null) {
      html.append(
          "<p class=\"missing\">The report does not say how faithful the artifact is.</p>\n");
    }
    return html.toString();
  }

  private static String measured(Run run) {
    var tokens =
        run.language()
            .map(Measurement.Language::tokens)
            .or(() -> run.embedding().map(Measurement.Embedding::tokens));
    return tokens
        .map(
            number ->
                Html.text(
                    " Measured on %s tokens of %s.".formatted(Numbers.count(number), run.text())))
        .orElse("");
  }

  private static void fidelity(StringBuilder html, Measurement.Language language) {
    var divergence = language.divergence();
    tile(
        html,
        "EAR",
        Numbers.rate(language.ear()),
        divergence == null
            ? "expected acceptance; 1 is the same"
            : "± %s; 1 is the same".formatted(Numbers.fixed(divergence.earError(), 4)));
    tile(
        html,
        "KL divergence",
        Numbers.loss(language.kl()),
        divergence == null || divergence.kl() == null
            ? "nats; 0 is the same"
            : "± %s nats; 0 is the same".formatted(Numbers.loss(divergence.kl().error())));
    tile(html, "Same top token", Numbers.percent(language.top1()), "of predictions");
  }

  private static void perplexity(StringBuilder html, Measurement.Language language) {
    boolean compared = language.referencePerplexity() != null;
    double change =
        compared ? language.perplexity() / language.referencePerplexity() - 1 : Double.NaN;
    tile(
        html,
        "Perplexity",
        Numbers.fixed(language.perplexity(), 2),
        compared
            ? "was %s (%s%s)"
                .formatted(
                    Numbers.fixed(language.referencePerplexity(), 2),
                    change < 0 ? "" : "+",
                    Numbers.percent(change))
            : "no reference");
  }

  private static void tile(StringBuilder html, String name, String value, String below) {
    html.append(
        "<div><dt>%s</dt><dd>%s<small>%s</small></dd></div>%n"
            .formatted(Html.text(name), Html.text(value), Html.text(below))
            .replace("\r", ""));
  }

  /** One row a run. */
  static String summary(List<Run> runs) {
    boolean encoders = runs.stream().anyMatch(run -> run.embedding().isPresent());
    var header = new ArrayList<>(List.of("artifact", "size", "smaller", "bits per weight"));
    header.addAll(List.of("KL", "EAR", "same top token", "perplexity"));
    if (encoders) {
      header.add("cosine");
    }
    header.addAll(List.of("fallbacks", "took"));
    var table = new Table("the runs", header);
    for (var run : runs) {
      var size = run.report().size();
      var row =
          new ArrayList<>(
              List.of(
                  run.name(),
                  Numbers.bytes(size.artifactBytes()),
                  Numbers.times(size.ratio()),
                  Numbers.fixed(size.bitsPerWeight(), 2)));
      var compared = run.compared();
      row.add(compared.map(one -> Numbers.loss(one.kl())).orElse("–"));
      row.add(compared.map(one -> Numbers.rate(one.ear())).orElse("–"));
      row.add(compared.map(one -> Numbers.percent(one.top1())).orElse("–"));
      row.add(run.language().map(one -> Numbers.fixed(one.perplexity(), 2)).orElse("–"));
      if (encoders) {
        row.add(run.embedding().map(one -> Numbers.fixed(one.cosine(), 5)).orElse("–"));
      }
      row.add(Numbers.count(run.report().fallbacks().size()));
      double seconds =
          run.report().seconds().values().stream()
              .filter(value -> value != null)
              .mapToDouble(Double::doubleValue)
              .sum();
      row.add(seconds > 0 ? Numbers.seconds(seconds) : "–");
      table.row(row);
    }
    return table.html();
  }
}

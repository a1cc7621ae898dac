package ai.lathe.compress.report.page;

import ai.lathe.compress.report.AllocationReport;
import ai.lathe.compress.report.AllocationReport.Point.Kind;
import ai.lathe.compress.report.AllocationReport.Probe;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;

/** Loss against size: these artifacts, those that were measured beside them, and the original. */
final class Fidelity {

  private static final String TRIED = "tried on the way";

  private Fidelity() {}

  static Section of(List<Run> runs) {
    var measured = runs.stream().filter(run -> Double.isFinite(run.loss())).toList();
    if (measured.isEmpty()) {
      return Section.missing(
          Scatter.ID, Scatter.TITLE, "Nothing was measured against the original.");
    }
    boolean decoders = measured.stream().allMatch(run -> run.language().isPresent());
    if (!decoders && measured.stream().anyMatch(run -> run.language().isPresent())) {
      return Section.missing(
          Scatter.ID,
          Scatter.TITLE,
          "Decoders and encoders are measured in different ways: they share no axis.");
    }
    var points = new LinkedHashSet<Scatter.Point>();
    for (var run : measured) {
      points.add(
          new Scatter.Point(
              runs.size() == 1 ? "this artifact" : run.name(),
              run.name(),
              true,
              run.report().size().artifactBytes(),
              run.loss(),
              details(run)));
    }
    for (var run : measured) {
      if (run.report().allocation() != null) {
        run.report().allocation().points().stream()
            .filter(point -> point.kl() != null)
            .map(Fidelity::point)
            .forEach(points::add);
        run.report().allocation().probes().stream()
            .filter(probe -> "kl".equals(probe.metric()) && "held-out text".equals(probe.on()))
            .filter(probe -> probe.artifactBytes() != run.report().size().artifactBytes())
            .map(Fidelity::point)
            .forEach(points::add);
      }
    }
    var scatter =
        Scatter.of(
            decoders ? "KL divergence (nats)" : "1 − cosine",
            measured.getFirst().report().size().originalBytes(),
            List.copyOf(points));
    var alone =
        points.size() > 1
            ? ""
            : "<p class=\"missing\">This is the only artifact that was measured. <code>lathe report A B"
                + " C</code> sets several side by side, <code>lathe compare</code> makes them.</p>\n";
    return scatter.section(alone + warning(measured));
  }

  private static List<String> details(Run run) {
    var size = run.report().size();
    var details = new ArrayList<String>();
    details.add(
        "%s, %s smaller, %s bits per weight"
            .formatted(
                Numbers.bytes(size.artifactBytes()),
                Numbers.times(size.ratio()),
                Numbers.fixed(size.bitsPerWeight(), 2)));
    run.compared()
        .ifPresent(
            language ->
                details.add(
                    "KL %s, EAR %s"
                        .formatted(Numbers.loss(language.kl()), Numbers.rate(language.ear()))));
    run.embedding()
        .ifPresent(embedding -> details.add("cosine " + Numbers.fixed(embedding.cosine(), 5)));
    return details;
  }

  private static Scatter.Point point(AllocationReport.Point point) {
    return new Scatter.Point(
        switch (point.kind()) {
          case UNIFORM -> "one level for all layers";
          case TRIED -> TRIED;
        },
        point.name(),
        point.kind() == Kind.UNIFORM,
        point.bytes(),
        point.kl(),
        List.of(
            Numbers.bytes(point.bytes()),
            "KL "
                + Numbers.loss(point.kl())
                + (point.ear() == null ? "" : ", EAR " + Numbers.rate(point.ear()))));
  }

  private static Scatter.Point point(Probe probe) {
    return new Scatter.Point(
        TRIED,
        Numbers.bytes(probe.artifactBytes()),
        false,
        probe.artifactBytes(),
        probe.value(),
        List.of(
            "KL %s, where %s was allowed"
                .formatted(Numbers.loss(probe.value()), Numbers.loss(probe.limit()))));
  }

  /** Divergences from different models, or on different texts, say nothing of each other. */
  private static String warning(List<Run> runs) {
    var warning = new StringBuilder();
    if (differ(runs, "model")) {
      warning
          .append("<p class=\"warning\">These artifacts are of different models: compare their")
          .append(" losses with care.</p>\n");
    }
    if (differ(runs, "evaluation data")) {
      warning
          .append("<p class=\"warning\">These artifacts were measured on different texts: their")
          .append(" losses cannot be compared.</p>\n");
    }
    return warning.toString();
  }

  private static boolean differ(List<Run> runs, String part) {
    return runs.stream()
            .map(run -> run.report().fingerprint().get(part))
            .filter(hash -> hash != null)
            .distinct()
            .count()
        > 1;
  }
}

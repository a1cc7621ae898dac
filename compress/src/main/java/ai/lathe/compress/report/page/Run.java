package ai.lathe.compress.report.page;

import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.report.Report;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;

/**
 * A report under the name that a page calls it by.
 *
 * @param name no other run of the page has it
 */
record Run(String name, Report report) {

  static List<Run> of(List<Report> reports) {
    var names = new HashSet<String>();
    var runs = new ArrayList<Run>();
    for (var report : reports) {
      var name = Page.lastPart(report.artifact() == null ? report.model() : report.artifact());
      var unique = name;
      for (int i = 2; !names.add(unique); i++) {
        unique = name + " (" + i + ")";
      }
      runs.add(new Run(unique, report));
    }
    return runs;
  }

  String model() {
    return Page.lastPart(report.model());
  }

  Optional<Measurement.Language> language() {
    return report.quality() instanceof Measurement.Language language
        ? Optional.of(language)
        : Optional.empty();
  }

  /** Likewise, where it was measured against the original. */
  Optional<Measurement.Language> compared() {
    return language().filter(one -> one.kl() != null && one.ear() != null && one.top1() != null);
  }

  Optional<Measurement.Embedding> embedding() {
    return report.quality() instanceof Measurement.Embedding embedding
        ? Optional.of(embedding)
        : Optional.empty();
  }

  /** What one wants small: divergence, or one minus the cosine; NaN where nothing was measured. */
  double loss() {
    return compared()
        .map(Measurement.Language::kl)
        .or(() -> embedding().map(embedding -> 1 - embedding.cosine()))
        .orElse(Double.NaN);
  }

  /** The text that it was measured on: its file, where one was given. */
  String text() {
    var evaluation = setting("evaluation");
    return evaluation.equals("held out") ? "held-out text" : Page.lastPart(evaluation);
  }

  /** Likewise, where it matters only whether calibration has seen it. */
  String kindOfText() {
    return setting("evaluation").equals(setting("calibration")) ? text() : "held-out text";
  }

  private String setting(String name) {
    var value = report.settings().get(name);
    return value == null ? "held out" : value.toString();
  }
}

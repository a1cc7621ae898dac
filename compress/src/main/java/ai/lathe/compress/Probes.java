package ai.lathe.compress;

import ai.lathe.compress.budget.Choice;
import ai.lathe.compress.budget.Goal;
import ai.lathe.compress.report.AllocationReport.Probe;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;

/** What is measured on the way to a target: told at once, and kept for the report. */
final class Probes {

  private final Goal goal;
  private final Consumer<String> messages;
  private final List<Probe> all = new ArrayList<>();

  Probes(Goal goal, Consumer<String> messages) {
    this.goal = goal;
    this.messages = messages;
  }

  /**
   * @param value as the goal speaks of it, as is the limit
   */
  void add(String on, Choice choice, double value, double limit, boolean met) {
    all.add(new Probe(on, choice.bytes(), choice.artifactBytes(), goal.kind(), value, limit, met));
    messages.accept(
        String.format(
            Locale.ROOT,
            "%,d bytes: %s %.6g (%s)",
            choice.artifactBytes(),
            goal.unit(),
            value,
            on));
  }

  List<Probe> all() {
    return all;
  }
}

package ai.lathe.compress.allocation;

import ai.lathe.compress.journal.Fingerprint;
import ai.lathe.compress.journal.Journal;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;

/**
 * What a search needs to go on after a kill: its plan, and the parent that each generation left.
 * One that is kept nowhere is always empty.
 */
final class EvolutionJournal implements AutoCloseable {

  private static final ObjectMapper JSON = new ObjectMapper();

  /** What a generation left. */
  record Generation(Allocation parent, long evaluated, double loss) {}

  private record Line(List<Integer> choices, long evaluated, double loss) {}

  private final Optional<Journal> journal;
  private final Optional<SearchPlan> plan;
  private final List<Generation> generations = new ArrayList<>();

  private EvolutionJournal(Optional<Journal> journal) {
    this.journal = journal;
    var lines = journal.map(Journal::steps).orElse(List.of());
    plan = lines.stream().findFirst().map(line -> JSON.convertValue(line, SearchPlan.class));
    for (JsonNode node : lines.stream().skip(1).toList()) {
      var line = JSON.convertValue(node, Line.class);
      generations.add(
          new Generation(new Allocation(line.choices()), line.evaluated(), line.loss()));
    }
  }

  static EvolutionJournal of(EvoPress settings, Problem problem, Fitness fitness) {
    return new EvolutionJournal(
        settings.journal().map(file -> Journal.open(file, of(settings, problem, fitness.name()))));
  }

  /** Everything that decides which way the search takes. */
  private static Fingerprint of(EvoPress settings, Problem problem, String fitness) {
    var parts = new LinkedHashMap<String, String>();
    var levels =
        problem.table().units().stream()
            .map(unit -> unit.name() + unit.options().stream().map(Option::level).toList())
            .toList();
    parts.put("levels", Fingerprint.ofText(levels.toString()));
    parts.put("costs", Fingerprint.ofText(Arrays.deepToString(problem.costs())));
    parts.put("losses", Fingerprint.ofText(Arrays.deepToString(problem.losses())));
    parts.put("budget", String.valueOf(problem.budget()));
    parts.put("fitness", fitness);
    parts.put(
        "settings",
        "%s %s %s %s %s %d"
            .formatted(
                settings.plan().map(SearchPlan::toString).orElse(settings.minutes() + " minutes"),
                settings.start(),
                settings.anySizes(),
                settings.fresh(),
                settings.roundings(),
                problem.seed()));
    return new Fingerprint(parts);
  }

  /** Of the search that goes on. */
  Optional<SearchPlan> plan() {
    return plan;
  }

  /** Those finished before. */
  List<Generation> generations() {
    return List.copyOf(generations);
  }

  void begin(SearchPlan chosen) {
    if (plan.isEmpty()) {
      journal.ifPresent(file -> file.append(chosen));
    }
  }

  void append(Generation done) {
    journal.ifPresent(
        file -> file.append(new Line(done.parent().choices(), done.evaluated(), done.loss())));
  }

  void delete() {
    journal.ifPresent(Journal::delete);
  }

  @Override
  public void close() {
    journal.ifPresent(Journal::close);
  }
}

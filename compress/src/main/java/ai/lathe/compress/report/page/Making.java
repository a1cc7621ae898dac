package ai.lathe.compress.report.page;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** What it takes to make an artifact again, and to know that it is the same. */
final class Making {

  private Making() {}

  static Section of(List<Run> runs) {
    return new Section(
        "making",
        "How it was made",
        "With the same settings, model and texts, a run writes the same bytes; the fingerprint tells"
            + " whether they were the same.",
        part("Settings", runs, Making::settings)
            + part("Time and memory", runs, Making::effort)
            + part("Environment", runs, run -> run.report().environment())
            + part("Fingerprint", runs, run -> run.report().fingerprint()));
  }

  private static Map<String, Object> settings(Run run) {
    var settings = new LinkedHashMap<String, Object>();
    settings.put("model", run.report().model());
    settings.put("artifact", run.report().artifact());
    settings.put("format", run.report().format());
    settings.put("Lathe", run.report().version());
    settings.putAll(run.report().settings());
    var transforms = new LinkedHashMap<String, Integer>();
    run.report()
        .transforms()
        .forEach(change -> transforms.merge(String.valueOf(change.transform()), 1, Integer::sum));
    transforms.forEach(
        (name, times) -> settings.put(name, "changed " + times + " groups of layers"));
    return settings;
  }

  private static Map<String, Object> effort(Run run) {
    var effort = new LinkedHashMap<String, Object>();
    double all = 0;
    for (var phase : run.report().seconds().entrySet()) {
      if (phase.getValue() != null) {
        effort.put(phase.getKey(), Numbers.seconds(phase.getValue()));
        all += phase.getValue();
      }
    }
    if (!effort.isEmpty()) {
      effort.put("together", Numbers.seconds(all));
    }
    if (run.report().peakMemoryBytes() > 0) {
      effort.put("memory at the peak", Numbers.bytes(run.report().peakMemoryBytes()));
    }
    return effort;
  }

  /** One row a name, one column a run. */
  private static String part(String title, List<Run> runs, Function<Run, Map<String, ?>> of) {
    var maps = runs.stream().map(of).toList();
    var names = new LinkedHashSet<String>();
    maps.forEach(map -> names.addAll(map.keySet()));
    var header = new ArrayList<>(List.of(""));
    runs.forEach(run -> header.add(runs.size() == 1 ? "value" : run.name()));
    var table = new Table(title, header);
    for (var name : names) {
      var row = new ArrayList<>(List.of(name));
      for (var map : maps) {
        var value = map.get(name);
        row.add(value == null ? "–" : value.toString());
      }
      table.row(row);
    }
    return "<h3>"
        + title
        + "</h3>\n"
        + (table.isEmpty()
            ? "<p class=\"missing\">The report does not say.</p>\n"
            : runs.size() == 1 ? table.facts() : table.html());
  }
}

package ai.lathe.compress.report.page;

import ai.lathe.compress.report.SizePart;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.function.ToLongFunction;

/** What the bytes are spent on, before and after. */
final class Parts {

  private static final String ID = "parts";
  private static final String TITLE = "Where the bytes are";

  /**
   * Stacked bars.
   *
   * @param parts names, in the order of each bar's bytes
   */
  record Figure(List<String> parts, List<Bar> bars) {
    record Bar(String name, List<Long> bytes) {}
  }

  private Parts() {}

  static Section of(List<Run> runs) {
    var known = runs.stream().filter(run -> !run.report().parts().isEmpty()).toList();
    if (known.isEmpty()) {
      return Section.missing(
          ID,
          TITLE,
          "The report does not say what its bytes are made of: an older version wrote it.");
    }
    var parts = new LinkedHashSet<String>();
    for (var run : known) {
      run.report().parts().forEach(part -> parts.add(part.part()));
    }
    var names = List.copyOf(parts);
    // Runs of one model have one original.
    var bars = new LinkedHashSet<Figure.Bar>();
    for (var run : known) {
      var name = known.size() == 1 ? "original" : run.model() + " (original)";
      bars.add(bar(name, run, names, SizePart::originalBytes));
    }
    for (var run : known) {
      bars.add(bar(run.name(), run, names, SizePart::artifactBytes));
    }
    var header = new ArrayList<>(List.of("part"));
    bars.forEach(bar -> header.add(bar.name()));
    var table = new Table("bytes by part", header);
    for (int i = 0; i < names.size(); i++) {
      var row = new ArrayList<>(List.of(names.get(i)));
      for (var bar : bars) {
        row.add(Numbers.count(bar.bytes().get(i)));
      }
      table.row(row);
    }
    return new Section(
        ID,
        TITLE,
        "Exact bytes of the files, by what they hold. What has shrunk least, often the embeddings, is"
            + " where the next saving would have to come from.",
        Section.chart(ID, "bytes by part of the model; the table below holds them all")
            + table.folded(),
        Map.of(ID, new Figure(names, List.copyOf(bars))));
  }

  private static Figure.Bar bar(
      String name, Run run, List<String> parts, ToLongFunction<SizePart> bytes) {
    return new Figure.Bar(
        name,
        parts.stream()
            .map(
                part ->
                    run.report().parts().stream()
                        .filter(one -> one.part().equals(part))
                        .mapToLong(bytes)
                        .sum())
            .toList());
  }
}

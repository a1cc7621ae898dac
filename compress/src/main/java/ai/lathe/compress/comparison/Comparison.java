package ai.lathe.compress.comparison;

import ai.lathe.compress.Compression;
import ai.lathe.compress.CompressionRequest;
import ai.lathe.compress.Version;
import ai.lathe.compress.comparison.ComparisonReport.Row;
import ai.lathe.compress.comparison.ComparisonRequest.Cell;
import ai.lathe.compress.journal.Fingerprint;
import ai.lathe.compress.journal.Journal;
import ai.lathe.compress.plan.Planner;
import ai.lathe.compress.plan.Target;
import ai.lathe.compress.report.ReportFile;
import ai.lathe.compress.report.page.ReportPage;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * Compresses one model in many ways, one after the other, and measures each artifact on the same
 * text. What is measured is kept in a journal, so that an interrupted comparison goes on where it
 * stopped, and one that is done takes further methods.
 */
public final class Comparison {

  private static final ObjectMapper JSON = new ObjectMapper();

  private final ComparisonRequest request;
  private final Progress progress;
  private final Consumer<String> messages;

  private Comparison(ComparisonRequest request, Progress progress, Consumer<String> messages) {
    this.request = request;
    this.progress = progress;
    this.messages = messages;
  }

  /**
   * Runs all cells. One that cannot be done (a scheme that the method or the file format cannot
   * hold) becomes a row that says why, unless that is so for all of them.
   *
   * @param messages gets what a person should read while waiting
   * @return what stands in {@code comparison.json}
   */
  public static ComparisonReport run(
      ComparisonRequest request, Progress progress, Consumer<String> messages) {
    return new Comparison(request, progress, messages).run();
  }

  /** Where the JSON form of the result stands. */
  public static Path reportIn(Path folder) {
    return folder.resolve("comparison.json");
  }

  /** Where the page that shows it stands. */
  public static Path pageIn(Path folder) {
    return folder.resolve("report.html");
  }

  /** Where the tables stand. */
  public static Path tablesIn(Path folder) {
    return folder.resolve("comparison.md");
  }

  private ComparisonReport run() {
    var file = request.folder().resolve("measured.journal");
    if (Files.exists(file) && !request.resume() && !request.force()) {
      throw new LatheException(
          request.folder()
              + " holds a comparison already: --resume goes on with it, --force starts over");
    }
    var refusals = new LinkedHashMap<Cell, String>();
    long originalBytes;
    Fingerprint fingerprint;
    try (var model = Checkpoints.open(request.model(), progress)) {
      originalBytes = model.bytes();
      fingerprint = fingerprint(Fingerprint.of(model));
      for (var cell : request.cells()) {
        try {
          Planner.plan(model, cell.recipe(), cell.gguf() ? Target.GGUF : Target.HUGGING_FACE);
        } catch (LatheException e) {
          refusals.put(cell, e.getMessage());
        }
      }
    }
    if (refusals.size() == request.cells().size()) {
      throw new LatheException(
          request.cells().size() == 1
              ? refusals.values().iterator().next()
              : "none of these can be done; the first: " + refusals.values().iterator().next());
    }
    boolean resumes = request.resume() && Files.exists(file);
    try (var journal =
        resumes ? Journal.resume(file, fingerprint) : Journal.start(file, fingerprint)) {
      var report = report(originalBytes, rows(journal, refusals));
      ReportFile.write(report, reportIn(request.folder()));
      write(ComparisonTables.markdown(report), tablesIn(request.folder()));
      ComparisonPage.of(report).write(pageIn(request.folder()));
      return report;
    }
  }

  private List<Row> rows(Journal journal, Map<Cell, String> refusals) {
    var measured = new LinkedHashMap<String, Row>();
    for (var line : journal.steps()) {
      var row = JSON.convertValue(line, Row.class);
      measured.put(key(row.method(), row.scheme()), row);
    }
    var rows = new ArrayList<Row>();
    for (var cell : request.cells()) {
      var key = key(cell.method(), cell.scheme());
      if (refusals.containsKey(cell)) {
        messages.accept("%s: %s".formatted(key, refusals.get(cell)));
        rows.add(Row.refused(cell.method(), cell.scheme(), refusals.get(cell)));
        continue;
      }
      if (!measured.containsKey(key)) {
        messages.accept("[%d/%d] %s".formatted(rows.size() + 1, request.cells().size(), key));
        var row = measure(cell);
        journal.append(row);
        measured.put(key, row);
      }
      rows.add(measured.get(key));
    }
    return rows;
  }

  private static String key(String method, String scheme) {
    return scheme + " " + method;
  }

  private Row measure(Cell cell) {
    var artifact = request.folder().resolve(cell.artifact());
    boolean unfinished = Files.exists(Journal.fileFor(artifact));
    var run =
        new CompressionRequest(
            request.model(),
            artifact,
            cell.recipe(),
            request.calibration(),
            request.evaluation(),
            request.field(),
            request.samples(),
            request.sequenceLength(),
            request.seed(),
            request.resume() && unfinished,
            !unfinished || request.force());
    var report = Compression.run(run, progress, _ -> {});
    if (!request.keep()) {
      delete(ReportFile.of(artifact));
      delete(ReportPage.of(artifact));
      delete(artifact);
    }
    return Row.of(cell.method(), cell.scheme(), report);
  }

  /** Everything that the rows have in common: they may only stand in one table if this agrees. */
  private Fingerprint fingerprint(String model) {
    var parts = new LinkedHashMap<String, String>();
    parts.put("version", Version.CURRENT);
    parts.put("model", model);
    parts.put("data", state(request.calibration()));
    parts.put("evaluation data", state(request.evaluation()));
    parts.put("field", request.field());
    parts.put("number of samples", Integer.toString(request.samples()));
    parts.put("sequence length", request.sequenceLength().map(String::valueOf).orElse("default"));
    parts.put("seed", Long.toString(request.seed()));
    return new Fingerprint(parts);
  }

  private static String state(Optional<Path> file) {
    if (file.isEmpty()) {
      return "none";
    }
    try {
      return "%s %d %s"
          .formatted(
              file.get().toAbsolutePath().normalize(),
              Files.size(file.get()),
              Files.getLastModifiedTime(file.get()));
    } catch (IOException e) {
      throw new LatheException("cannot read " + file.get() + ": no such file", e);
    }
  }

  private ComparisonReport report(long originalBytes, List<Row> rows) {
    var reference = rows.stream().map(Row::referencePerplexity).filter(p -> p != null).findFirst();
    return new ComparisonReport(
        Version.CURRENT,
        request.model(),
        request.calibration().map(Path::toString).orElse("built in"),
        request.evaluation().map(Path::toString).orElse("held out"),
        request.samples(),
        request.seed(),
        originalBytes,
        reference.orElse(null),
        rows);
  }

  private static void write(List<String> lines, Path file) {
    try {
      Files.write(file, lines);
    } catch (IOException e) {
      throw new LatheException("cannot write " + file + ": " + e.getMessage(), e);
    }
  }

  private static void delete(Path artifact) {
    if (!Files.exists(artifact)) {
      return;
    }
    try (var files = Files.walk(artifact)) {
      for (var file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    } catch (IOException e) {
      throw new LatheException("cannot remove " + artifact + ": " + e.getMessage(), e);
    }
  }
}

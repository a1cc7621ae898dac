package ai.lathe.compress;

import ai.lathe.compress.allocation.Budget;
import ai.lathe.compress.allocation.Budget.Phase;
import ai.lathe.compress.allocation.LevelStore;
import ai.lathe.compress.budget.AllocationReports;
import ai.lathe.compress.budget.Budgets;
import ai.lathe.compress.budget.Budgets.Candidate;
import ai.lathe.compress.budget.Choice;
import ai.lathe.compress.budget.Chooser;
import ai.lathe.compress.budget.Latency;
import ai.lathe.compress.budget.Mixture;
import ai.lathe.compress.budget.Outside;
import ai.lathe.compress.budget.SpeedSearch;
import ai.lathe.compress.budget.Stopwatch;
import ai.lathe.compress.budget.UnreachableException;
import ai.lathe.compress.calibration.Importance;
import ai.lathe.compress.calibration.Texts;
import ai.lathe.compress.database.DatabaseRequest;
import ai.lathe.compress.database.LevelDatabase;
import ai.lathe.compress.database.LevelSpec;
import ai.lathe.compress.journal.Fingerprint;
import ai.lathe.compress.journal.Journal;
import ai.lathe.compress.journal.Leftovers;
import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.plan.Plan;
import ai.lathe.compress.plan.Planner;
import ai.lathe.compress.report.AllocationReport;
import ai.lathe.compress.report.AllocationReport.Point;
import ai.lathe.compress.report.Report;
import ai.lathe.compress.report.ReportFile;
import ai.lathe.compress.report.page.ReportPage;
import ai.lathe.compress.search.FitnessSettings;
import ai.lathe.compress.search.ModelFitness;
import ai.lathe.compress.search.Objective;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Compression to a target: levels are chosen from a database, written as one artifact, and measured
 * as every artifact is. Of a target of fidelity the reopened artifact is the judge.
 */
public final class TargetedCompression implements AutoCloseable {

  /** Of the text that is searched on, this much is measured on while a size is sought. */
  private static final int PROBED_TOKENS = 1 << 14;

  private final TargetRequest request;
  private final CompressionRequest compression;
  private final Checkpoint source;
  private final LevelStore store;
  private final Optional<Timing> timing;
  private final Progress progress;
  private final Consumer<String> messages;
  private final Phases phases = new Phases();
  private final Texts texts;
  private final ModelFitness fitness;
  private final TargetJournal journal;
  private final Optional<Fidelity> fidelity;
  private final Probes probes;
  private Written last;
  private Latency.Times latency;

  /**
   * @param cache where times are kept for the next run
   */
  public record Timing(Stopwatch stopwatch, Path cache) {}

  /** What stands at the artifact's place. */
  private record Written(Choice choice, Report report) {}

  private TargetedCompression(
      TargetRequest request,
      Checkpoint source,
      LevelStore store,
      Optional<Timing> timing,
      Progress progress,
      Consumer<String> messages) {
    this.timing = timing;
    this.request = request;
    this.compression = request.compression();
    this.source = source;
    this.store = store;
    this.progress = progress;
    this.messages = messages;
    this.fidelity = Fidelity.of(request.goal().budget());
    this.probes = new Probes(request.goal(), messages);
    this.texts =
        RequestedTexts.take(
            compression,
            source,
            /* calibrates= */ searches() || request.recalibrate(),
            compression.samples(),
            messages);
    this.fitness = searches() ? fitness() : null;
    this.journal = TargetJournal.open(compression.artifact(), fingerprint(), compression.resume());
  }

  /** Where the levels are that a run makes for itself. */
  public static Path levelsFor(Path artifact) {
    return artifact.resolveSibling(artifact.getFileName() + ".levels");
  }

  /**
   * Builds a level database beside the artifact, on the text that the request names; what an
   * earlier run left of it is not computed again.
   */
  public static LevelDatabase levels(
      CompressionRequest request,
      Checkpoint source,
      List<LevelSpec> levels,
      Progress progress,
      Consumer<String> messages) {
    var directory = levelsFor(request.artifact());
    var texts =
        RequestedTexts.take(request, source, /* calibrates= */ true, request.samples(), messages);
    var wanted = DatabaseRequest.of(directory, levels, request.target());
    return LevelDatabase.build(
        source,
        texts.calibration(),
        request.resume() ? wanted.resumed() : wanted,
        progress,
        messages);
  }

  /** Removes the levels that a run made for itself. */
  public static void deleteLevels(Path artifact) {
    Leftovers.delete(levelsFor(artifact));
  }

  /** Throws where something stands at the artifact's place that must not be lost. */
  public static void refuseToOverwrite(CompressionRequest request) {
    if (!request.resume()
        && !request.force()
        && Files.exists(TargetJournal.fileFor(request.artifact()))) {
      throw new LatheException(
          "an unfinished run of %s is there: --resume goes on with it, --force starts over"
              .formatted(request.artifact()));
    }
    PlannedRun.refuseToOverwrite(request);
  }

  /**
   * Runs a request from beginning to end.
   *
   * @param source the model; stays open, as the store does
   * @param timing for targets of speed
   * @param messages gets what a person should read while waiting
   * @return what stands in {@code report.json}
   */
  public static Report run(
      TargetRequest request,
      Checkpoint source,
      LevelStore store,
      Optional<Timing> timing,
      Progress progress,
      Consumer<String> messages) {
    refuseToOverwrite(request.compression());
    try (var run = new TargetedCompression(request, source, store, timing, progress, messages)) {
      try {
        var report = run.run();
        run.journal.delete();
        return report;
      } catch (UnreachableException e) {
        run.undo();
        throw e;
      }
    }
  }

  /** Nothing is left behind: what was written to be judged did not come to the target. */
  private void undo() {
    journal.delete();
    if (last != null) {
      var artifact = compression.artifact();
      Leftovers.delete(ReportFile.of(artifact));
      Leftovers.delete(ReportPage.of(artifact));
      Leftovers.delete(artifact);
    }
  }

  /** Whether candidates are run on text. */
  private boolean searches() {
    return request.allocator().searches() || fidelity.isPresent();
  }

  private ModelFitness fitness() {
    if (fidelity.isPresent() && source.architecture().kind() == ModelKind.ENCODER) {
      throw new LatheException(
          "an encoder predicts no tokens, so %s says nothing of it: give --target-size or --target-bpw"
              .formatted(request.goal().unit()));
    }
    return new ModelFitness(
        source,
        store,
        texts.calibration(),
        FitnessSettings.of(fidelity.map(Fidelity::objective).orElse(Objective.KL)));
  }

  private Fingerprint fingerprint() {
    var parts = new LinkedHashMap<String, String>();
    parts.put("version", Version.CURRENT);
    parts.put("level database", Fingerprint.ofText(store.table().toString()));
    var again = request.recalibrate() ? ", recalibrated" : "";
    parts.put("target", request.goal() + again);
    parts.put("allocator", request.allocator() + " " + request.measure());
    parts.put("data", Fingerprint.of(texts.calibration()));
    parts.put("evaluation data", Fingerprint.of(texts.evaluation()));
    parts.put("seed", Long.toString(compression.seed()));
    return new Fingerprint(parts);
  }

  private Report run() {
    phases.end("prepare");
    var budgets =
        new Budgets(
            request.goal(),
            request.database(),
            Outside.of(source, compression.target()).stream()
                .map(outside -> new Candidate(chooser(outside.base()), outside.least()))
                .toList());
    return switch (request.goal().budget()) {
      case Budget.BitsPerWeight bits -> written(budgets, budgets.within(bits));
      case Budget.Size size -> written(budgets, budgets.within(size));
      case Budget.Divergence _, Budget.Acceptance _, Budget.PerplexityRatio _ ->
          faithful(budgets, fidelity.orElseThrow());
      case Budget.Speedup speedup -> fast(budgets, speedup);
    };
  }

  private Chooser chooser(Plan base) {
    Optional<Function<String, Plan>> solvers =
        request.recalibrate()
            ? Optional.of(
                level -> Planner.plan(source, LevelSpec.of(level).recipe(), compression.target()))
            : Optional.empty();
    return new Chooser(
        new Mixture(source, compression.artifact(), store, base, solvers),
        journal.remembering(request.allocator()),
        request.measure(),
        Optional.ofNullable(fitness),
        compression.seed(),
        progress);
  }

  private Report written(Budgets budgets, Choice choice) {
    phases.end("search");
    return write(choice, points(budgets));
  }

  /** The smallest artifact that loses no more, as measured when it is opened again. */
  private Report faithful(Budgets budgets, Fidelity target) {
    var random = new SplittableRandom(compression.seed());
    try (var batch = fitness.draw(PROBED_TOKENS, random)) {
      var gauge = journal.remembering("search text", choice -> batch.loss(choice.allocation()));
      var judge = journal.remembering("held-out text", choice -> judged(choice, target));
      var choice =
          budgets.smallest(
              target.limit(),
              one -> probed("search text", one, gauge.applyAsDouble(one), target),
              one -> probed("held-out text", one, judge.applyAsDouble(one), target),
              target::spoken);
      phases.end("search");
      var points = points(budgets);
      if (last == null || !last.choice().equals(choice)) {
        return write(choice, points);
      }
      // The last artifact that was judged is the one: only its report is not complete.
      return completed(choice, points);
    }
  }

  /** As fast as is asked for, with the least loss. */
  private Report fast(Budgets budgets, Budget.Speedup target) {
    var stopwatch =
        timing
            .orElseThrow(() -> new LatheException("a target of speed needs something to time with"))
            .stopwatch();
    var chooser = budgets.leanest();
    latency = latency(chooser.mixture(), timing.get()).phases().get(target.phase());
    double factor = target.factor();
    var what = target.phase() == Phase.DECODE ? "decoding" : "reading";
    var measure =
        journal.remembering(
            what,
            choice ->
                stopwatch.ratio(
                    chooser.mixture().view(choice.allocation()), source, target.phase()));
    var choice =
        new SpeedSearch(
                request.goal(),
                request.database(),
                latency,
                budget -> chooser.withinTime(latency.units(), budget),
                one -> timed(what, one, measure.applyAsDouble(one), factor))
            .search(factor);
    phases.end("search");
    var points = points(budgets);
    write(choice, points);
    try (var written = Checkpoints.open(compression.artifact())) {
      timed(what + ", reopened", choice, stopwatch.ratio(written, source, target.phase()), factor);
    }
    return completed(choice, points);
  }

  private Latency latency(Mixture mixture, Timing timing) {
    return Latency.read(timing.cache(), timing.stopwatch(), mixture)
        .orElseGet(
            () -> {
              var measured = Latency.measure(source, mixture, timing.stopwatch(), messages);
              measured.write(timing.cache());
              return measured;
            });
  }

  private double timed(String on, Choice choice, double speedup, double factor) {
    probes.add(on, choice, speedup, factor, speedup >= factor);
    return speedup;
  }

  private double probed(String on, Choice choice, double loss, Fidelity target) {
    probes.add(
        on, choice, target.spoken(loss), target.spoken(target.limit()), loss <= target.limit());
    return loss;
  }

  /** The loss of an artifact that is written and opened again. */
  private double judged(Choice choice, Fidelity target) {
    phases.end("search");
    return target.loss((Measurement.Language) write(choice, List.of()).quality());
  }

  /** The report of what was written last, with all that is known now. */
  private Report completed(Choice choice, List<Point> points) {
    var report = last.report().with(told(choice, points));
    PlannedRun.publish(report, compression.artifact());
    return report;
  }

  private Report write(Choice choice, List<Point> points) {
    // What an interrupted run left is gone on with; everything else is begun.
    boolean begun = Files.exists(Journal.fileFor(compression.artifact()));
    var report =
        new PlannedRun(
                compression.resuming(compression.resume() && begun), progress, messages, phases)
            .run(
                source,
                source,
                choice.mixture().plan(choice.allocation()),
                Importance.NONE,
                request.recalibrate() ? texts : texts.first(0),
                choice.result().notes(),
                Optional.of(told(choice, points)));
    last = new Written(choice, report);
    return report;
  }

  private AllocationReport told(Choice choice, List<Point> points) {
    return AllocationReports.of(
        request.goal(),
        request.database(),
        request.allocator().name(),
        request.measure(),
        choice,
        Optional.ofNullable(latency).map(Latency.Times::units),
        points,
        probes.all());
  }

  private List<Point> points(Budgets budgets) {
    return AllocationReports.uniform(store.table(), budgets::chooser, _ -> Optional.empty());
  }

  @Override
  public void close() {
    journal.close();
    if (fitness != null) {
      fitness.close();
    }
  }
}

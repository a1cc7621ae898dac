package ai.lathe.compress;

import ai.lathe.compress.calibration.Importance;
import ai.lathe.compress.calibration.Texts;
import ai.lathe.compress.journal.Fingerprint;
import ai.lathe.compress.journal.Journal;
import ai.lathe.compress.measure.Executor;
import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.plan.BiasedCheckpoint;
import ai.lathe.compress.plan.Estimate;
import ai.lathe.compress.plan.Machine;
import ai.lathe.compress.plan.Plan;
import ai.lathe.compress.report.AllocationReport;
import ai.lathe.compress.report.LayerReport;
import ai.lathe.compress.report.Report;
import ai.lathe.compress.report.ReportFile;
import ai.lathe.compress.report.SizePart;
import ai.lathe.compress.report.page.ReportPage;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.checkpoint.CheckpointPlan;
import ai.lathe.model.checkpoint.CheckpointWriters;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import ai.lathe.tensor.linalg.Gemm;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * From a plan to an artifact that was opened again and measured: estimate, write block by block,
 * finish, reopen, compare, report.
 */
final class PlannedRun {

  private final CompressionRequest request;
  private final Progress progress;
  private final Consumer<String> messages;
  private final Phases phases;

  PlannedRun(
      CompressionRequest request, Progress progress, Consumer<String> messages, Phases phases) {
    this.request = request;
    this.progress = progress;
    this.messages = messages;
    this.phases = phases;
  }

  /**
   * @param original what the artifact is compared with
   * @param planned what is compressed
   * @param told notes that stand in the report and were shown already
   * @param allocation how levels were chosen, where a target was given
   */
  Report run(
      Checkpoint original,
      Checkpoint planned,
      Plan plan,
      Importance importance,
      Texts texts,
      List<String> told,
      Optional<AllocationReport> allocation) {
    var source = BiasedCheckpoint.of(planned, plan);
    var artifact = request.artifact();
    var outline = plan.outline(artifact, source);
    var notes = new ArrayList<>(plan.notes());
    notes.addAll(texts.notes());
    notes.addAll(outline.notes());
    var tuning = EndToEndTuning.of(plan, source);
    EndToEndTuning.refusal(plan, source).ifPresent(notes::add);
    notes.forEach(note -> messages.accept("note: " + note));
    notes.addAll(0, told);
    plan.fallbacks().forEach(fallback -> messages.accept("fallback: " + fallback));
    var fingerprint = fingerprint(source, plan, texts);
    estimate(source, plan, tuning, texts, outline.bytes());
    phases.end("prepare");
    if (!request.resume()) {
      EndToEndTuning.delete(artifact);
    }

    try (var journal = open(fingerprint)) {
      var steps = write(source, plan, importance, outline, texts, journal, tuning, fingerprint);
      phases.end("compress");
      EndToEndTuning.note(artifact, fingerprint)
          .ifPresent(
              note -> {
                messages.accept("note: " + note);
                notes.add(note);
              });
      try (var written = Checkpoints.open(artifact)) {
        var measured =
            Measurement.of(Executor.TORCH, written, original, texts.evaluation(), progress);
        phases.end("measure");
        var report =
            report(original, written, plan, steps, measured, fingerprint, notes, allocation);
        publish(report, artifact);
        journal.delete();
        EndToEndTuning.delete(artifact);
        return report;
      }
    }
  }

  /** Writes a report, for programs and for people. */
  static void publish(Report report, Path artifact) {
    ReportFile.write(report, ReportFile.of(artifact));
    ReportPage.of(List.of(report)).write(ReportPage.of(artifact));
  }

  /** Throws where something stands at the artifact's place that must not be lost. */
  static void refuseToOverwrite(CompressionRequest request) {
    var artifact = request.artifact();
    if (request.resume() || request.force()) {
      return;
    }
    if (Files.exists(Journal.fileFor(artifact)) || Stages.begun(artifact)) {
      throw new LatheException(
          "an unfinished run of "
              + artifact
              + " is there: --resume goes on with it, --force starts over");
    }
    if (CheckpointWriters.occupied(artifact)) {
      throw new LatheException(
          artifact + " exists already; choose another name, or replace it with --force");
    }
  }

  private Fingerprint fingerprint(Checkpoint source, Plan plan, Texts texts) {
    var parts = new LinkedHashMap<String, String>();
    parts.put("version", Version.CURRENT);
    parts.put("model", Fingerprint.of(source));
    parts.put("data", Fingerprint.of(texts.calibration()));
    // What the recipe comes to, layer by layer: two recipes that mean the same may be exchanged.
    parts.put("recipe", Fingerprint.ofText(recipeText(plan)));
    request.imatrix().ifPresent(file -> parts.put("imatrix", Fingerprint.ofFile(file)));
    parts.put("evaluation data", Fingerprint.of(texts.evaluation()));
    return new Fingerprint(parts);
  }

  private static String recipeText(Plan plan) {
    var text = new StringBuilder(plan.target().name());
    plan.transforms().forEach(transform -> text.append('\n').append(transform));
    for (var entry : plan.entries()) {
      text.append('\n').append(entry.name()).append(' ').append(entry.encoding().label());
      entry
          .level()
          .ifPresent(
              level -> text.append(level.solver().getClass().getName()).append(level.config()));
    }
    return text.toString();
  }

  private void estimate(
      Checkpoint source,
      Plan plan,
      Optional<EndToEndTuning> tuning,
      Texts texts,
      long artifactBytes) {
    double flops = Machine.multiplyRate();
    var ofBlocks =
        Estimate.of(plan, source, texts.calibration(), artifactBytes, tokens(texts.evaluation()));
    var estimate =
        tuning
            .map(
                all ->
                    ofBlocks.with(
                        all.memory(source, plan),
                        all.operations(plan, tokens(texts.calibration())),
                        flops))
            .orElse(ofBlocks);
    messages.accept(estimate.summary());
    estimate.check(request.artifact());
  }

  private static long tokens(List<int[]> sequences) {
    return sequences.stream().mapToLong(sequence -> sequence.length).sum();
  }

  private Journal open(Fingerprint fingerprint) {
    var file = Journal.fileFor(request.artifact());
    return Stages.resumes(request, file)
        ? Journal.resume(file, fingerprint)
        : Journal.start(file, fingerprint);
  }

  /**
   * Everything up to an artifact that is complete and in its place; what the journal has as done is
   * not done again.
   */
  private Steps write(
      Checkpoint source,
      Plan plan,
      Importance importance,
      CheckpointPlan outline,
      Texts texts,
      Journal journal,
      Optional<EndToEndTuning> tuning,
      Fingerprint fingerprint) {
    var steps = new Steps(journal);
    if (steps.has(source.config().blocks() - 1) && !Files.exists(outline.staging())) {
      // Killed after the artifact was moved into place: all that is left is to measure it.
      return steps;
    }
    var addresses = source.addresses().stream().filter(steps::has).toList();
    // What was killed before its first step may have left half a beginning: it begins anew.
    try (var writer = addresses.isEmpty() ? outline.create() : outline.resume(addresses);
        var written = Checkpoints.open(writer.staging())) {
      var run = new BlockwiseRun(source, plan, importance, writer, written, steps, progress);
      if (texts.calibration().isEmpty()) {
        run.run(Optional.empty());
      } else {
        var spill = request.artifact().toAbsolutePath().getParent();
        try (var states = Executor.states(source, texts.calibration(), spill)) {
          run.run(Optional.of(states));
        }
      }
      tuning.ifPresent(
          all ->
              all.run(
                  source,
                  written,
                  writer,
                  texts.calibration(),
                  request.artifact(),
                  fingerprint,
                  progress));
      writer.finish();
      return steps;
    }
  }

  private Report report(
      Checkpoint source,
      Checkpoint written,
      Plan plan,
      Steps steps,
      Measurement measured,
      Fingerprint fingerprint,
      List<String> notes,
      Optional<AllocationReport> allocation) {
    var layers = steps.layers();
    var fallbacks =
        layers.stream()
            .flatMap(layer -> layer.fallbacks().stream().map(why -> layer.name() + ": " + why))
            .toList();
    return new Report(
        Version.CURRENT,
        request.model(),
        request.artifact().toString(),
        written.format(),
        settings(plan, allocation),
        fingerprint.parts(),
        size(source, written, plan, layers),
        measured,
        steps.changes(),
        layers,
        fallbacks,
        notes,
        phases.seconds(),
        Machine.peakMemory(),
        environment(),
        SizePart.of(source, written),
        allocation.orElse(null),
        null);
  }

  private Map<String, Object> settings(Plan plan, Optional<AllocationReport> allocation) {
    var settings = new LinkedHashMap<String, Object>();
    var database = allocation.flatMap(chosen -> Optional.ofNullable(chosen.database()));
    database.ifPresentOrElse(
        levels -> settings.put("levels", levels),
        () -> settings.put("recipe", request.recipe().toString()));
    allocation.ifPresent(
        chosen -> {
          settings.put("budget", chosen.target());
          settings.put("allocator", chosen.allocator());
          settings.put("measure", chosen.measure());
        });
    settings.put("target", plan.target().name());
    settings.put("calibration", request.calibration().map(Path::toString).orElse("built in"));
    settings.put("evaluation", request.evaluation().map(Path::toString).orElse("held out"));
    settings.put("samples", request.samples());
    request.imatrix().ifPresent(file -> settings.put("imatrix", file.toString()));
    request.sequenceLength().ifPresent(length -> settings.put("sequence_length", length));
    settings.put("seed", request.seed());
    return settings;
  }

  private static Report.Size size(
      Checkpoint source, Checkpoint written, Plan plan, List<LayerReport> layers) {
    long weights = plan.entries().stream().mapToLong(Plan.Entry::weights).sum();
    var compressed = plan.entries().stream().filter(entry -> entry.level().isPresent()).toList();
    double compressedBits = 8.0 * compressed.stream().mapToLong(plan::bytes).sum();
    long compressedWeights = compressed.stream().mapToLong(Plan.Entry::weights).sum();
    return new Report.Size(
        source.bytes(),
        written.bytes(),
        (double) source.bytes() / written.bytes(),
        weights,
        8.0 * plan.bytes() / weights,
        compressedWeights == 0 ? 0 : compressedBits / compressedWeights,
        sparsity(layers));
  }

  private static double sparsity(List<LayerReport> layers) {
    double weights = 0;
    double zeros = 0;
    for (var layer : layers) {
      double all = (double) layer.rows() * layer.columns();
      weights += all;
      zeros += layer.sparsity() * all;
    }
    return weights == 0 ? 0 : zeros / weights;
  }

  private static Map<String, String> environment() {
    var environment = new LinkedHashMap<String, String>();
    environment.put("java", Runtime.version().toString());
    environment.put("system", System.getProperty("os.name") + " " + System.getProperty("os.arch"));
    environment.put("cores", Integer.toString(Runtime.getRuntime().availableProcessors()));
    environment.put("kernel", Gemm.kernel());
    return environment;
  }
}

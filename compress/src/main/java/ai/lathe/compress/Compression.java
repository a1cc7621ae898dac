package ai.lathe.compress;

import ai.lathe.compress.calibration.Importance;
import ai.lathe.compress.calibration.Texts;
import ai.lathe.compress.dictionary.SharedDictionaries;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.plan.Plan;
import ai.lathe.compress.plan.Planner;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.removal.SharedRemoval;
import ai.lathe.compress.report.AllocationReport;
import ai.lathe.compress.report.Report;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;

/**
 * The main job: a checkpoint goes in, a smaller artifact comes out, measured.
 *
 * <p>Plan, estimate, calibrate and compress block by block, finish the artifact, open it again from
 * disk and compare it with the original on text that calibration did not see, write the report.
 */
public final class Compression {

  private final CompressionRequest request;
  private final Progress progress;
  private final Consumer<String> messages;
  private final Phases phases = new Phases();

  /** What was said before the plan was made. */
  private final List<String> said = new ArrayList<>();

  private Compression(CompressionRequest request, Progress progress, Consumer<String> messages) {
    this.request = request;
    this.progress = progress;
    this.messages = messages;
  }

  /**
   * Runs a request from beginning to end.
   *
   * @param messages gets what a person should read while waiting: the estimate, notes, fallbacks
   * @return what stands in {@code report.json}
   */
  public static Report run(
      CompressionRequest request, Progress progress, Consumer<String> messages) {
    return new Compression(request, progress, messages).run();
  }

  private Report run() {
    PlannedRun.refuseToOverwrite(request);
    try (var source = Checkpoints.open(request.model(), progress)) {
      var original = request.target().fitting(source, note -> say("note: " + note));
      var narrowing = BlockNarrowing.of(request.recipe());
      var global = GlobalPruning.of(request.recipe());
      Report report;
      if (narrowing.isPresent()) {
        if (global.isPresent()) {
          throw new LatheException(
              "a recipe narrows blocks or prunes all layers together: do one of them first, and the"
                  + " other to what it wrote");
        }
        report = run(original, narrowing.get());
      } else if (global.isPresent()) {
        report = run(source, original, global.get());
      } else {
        report = run(original, original, request.recipe(), Optional.empty());
      }
      Stages.delete(request.artifact());
      return report;
    }
  }

  /** Blocks are made narrower first; what comes after sees a model that is as narrow already. */
  private Report run(Checkpoint original, BlockNarrowing narrowing) {
    narrowing.require(original, request.target());
    var texts = texts(original, true, request.samples());
    try (var narrow = narrowing.run(original, texts.calibration(), request, progress, this::say)) {
      phases.end("narrow");
      var report =
          run(original, narrow.model(), narrowing.afterwards(), Optional.of(texts))
              .with(narrowing.report(narrow));
      PlannedRun.publish(report, request.artifact());
      return report;
    }
  }

  private void say(String message) {
    messages.accept(message);
    said.add(message);
  }

  /**
   * All layers are pruned together first; what comes after sees a model that has zeros.
   *
   * @param source whole, as gradients may need its head
   * @param original what of it the artifact can hold
   */
  private Report run(Checkpoint source, Checkpoint original, GlobalPruning global) {
    // Whether the rest can be done at all is known before hours are spent on the zeros.
    Planner.plan(original, global.rehearsal(), request.target());
    var texts = texts(original, true, Math.max(request.samples(), global.sequences()));
    try (var pruned = global.run(source, texts.calibration(), request, progress, this::say)) {
      phases.end("prune");
      var fitting = request.target().fitting(pruned, _ -> {});
      return run(original, fitting, global.afterwards(), Optional.of(texts));
    }
  }

  /**
   * @param original what the artifact is compared with
   * @param source what is compressed
   * @param drawn texts that there are already, perhaps more of them than statistics need
   */
  private Report run(Checkpoint original, Checkpoint source, Recipe recipe, Optional<Texts> drawn) {
    var shared = SharedRemoval.of(recipe);
    return shared.isPresent()
        ? run(original, source, shared.get(), drawn)
        : run(original, source, recipe, drawn, Optional.empty());
  }

  /** How much of which layer goes is found out first. */
  private Report run(
      Checkpoint original, Checkpoint source, SharedRemoval shared, Optional<Texts> drawn) {
    var rehearsed = Planner.plan(source, shared.uniform(), request.target());
    var texts = drawn.orElseGet(() -> texts(source, true, request.samples()));
    var chosen =
        shared.run(
            source,
            rehearsed,
            texts.first(request.samples()).calibration(),
            request.artifact(),
            Stages.resumes(request, SharedRemoval.fileFor(request.artifact())),
            progress,
            messages);
    chosen.notes().forEach(note -> say("note: " + note));
    phases.end("profile");
    return run(original, source, chosen.recipe(), Optional.of(texts), Optional.of(chosen.report()));
  }

  /**
   * @param allocation how levels were chosen, where they were
   */
  private Report run(
      Checkpoint original,
      Checkpoint source,
      Recipe recipe,
      Optional<Texts> drawn,
      Optional<AllocationReport> allocation) {
    var plan = BlockNarrowing.plan(source, recipe, request.target());
    var dictionaries = SharedDictionaries.of(plan);
    var importance = importance(source, plan);
    boolean calibrates = plan.calibrates(known());
    var texts =
        drawn
            .map(all -> all.first(calibrates ? request.samples() : 0))
            .orElseGet(() -> texts(source, calibrates, request.samples()));
    var learned = dictionaries.map(all -> learned(all, source, texts)).orElse(plan);
    return new PlannedRun(request, progress, messages, phases)
        .run(original, source, learned, importance, texts, said, allocation);
  }

  private Plan learned(SharedDictionaries dictionaries, Checkpoint source, Texts texts) {
    var plan =
        dictionaries.learn(
            source,
            texts.calibration(),
            request.artifact(),
            request.resume(),
            progress,
            messages,
            note -> say("note: " + note));
    phases.end("dictionaries");
    return plan;
  }

  private Texts texts(Checkpoint source, boolean calibrates, int samples) {
    return RequestedTexts.take(request, source, calibrates, samples, messages);
  }

  /** What solvers need not wait for. */
  private Set<Statistic> known() {
    return request.imatrix().isPresent() ? Set.of(Statistic.INPUT_SQUARED_NORM) : Set.of();
  }

  private Importance importance(Checkpoint source, Plan plan) {
    if (request.imatrix().isEmpty()) {
      return Importance.NONE;
    }
    if (!plan.usesImportance()) {
      throw new LatheException(
          "nothing here uses an importance matrix; it is for rounding to nearest (rtn) onto types of"
              + " GGUF, while gptq and its like learn more from the calibration text itself");
    }
    return Importance.read(request.imatrix().get(), source);
  }
}

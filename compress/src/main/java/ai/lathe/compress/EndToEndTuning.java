package ai.lathe.compress;

import ai.lathe.compress.journal.Fingerprint;
import ai.lathe.compress.layer.EndToEnd;
import ai.lathe.compress.plan.Plan;
import ai.lathe.compress.training.ScaleTuning;
import ai.lathe.compress.training.TunedScales;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointWriter;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * The part of a run that tunes scales over the whole model: after all blocks are written, before
 * the artifact is finished. It reads the staged artifact and rewrites scales there.
 */
final class EndToEndTuning {

  private final EndToEnd settings;
  private final List<Address> matrices;

  private EndToEndTuning(EndToEnd settings, List<Address> matrices) {
    this.settings = settings;
    this.matrices = matrices;
  }

  /** Empty where no solver wants it, or the model is one that it cannot be done to. */
  static Optional<EndToEndTuning> of(Plan plan, Checkpoint source) {
    var matrices = new ArrayList<Address>();
    EndToEnd settings = null;
    for (var entry : plan.entries()) {
      var wanted = entry.level().flatMap(level -> level.root().config().endToEnd());
      if (wanted.isEmpty() || wanted.get().epochs() == 0) {
        continue;
      }
      if (settings != null && !settings.equals(wanted.get())) {
        throw new LatheException(
            "scales are tuned once, over the whole model: give all modifiers the same settings of it");
      }
      settings = wanted.get();
      matrices.add(entry.address());
    }
    boolean decodes = source.architecture().kind() == ModelKind.DECODER;
    return settings == null || !decodes
        ? Optional.empty()
        : Optional.of(new EndToEndTuning(settings, List.copyOf(matrices)));
  }

  /** Why nothing is tuned although a solver wants it. */
  static Optional<String> refusal(Plan plan, Checkpoint source) {
    boolean wanted =
        plan.entries().stream()
            .flatMap(entry -> entry.level().stream())
            .flatMap(level -> level.root().config().endToEnd().stream())
            .anyMatch(settings -> settings.epochs() > 0);
    return wanted && source.architecture().kind() != ModelKind.DECODER
        ? Optional.of(
            "scales are not tuned end to end: that takes a loss of next tokens, and an encoder has none")
        : Optional.empty();
  }

  /** Bytes that it takes: the model in float32, its gradients, its teacher, a batch's states. */
  long memory(Checkpoint source, Plan plan) {
    long weights = plan.entries().stream().mapToLong(Plan.Entry::weights).sum();
    var config = source.config();
    long copies = settings.objective() == EndToEnd.Objective.TEACHER ? 3 : 2;
    long ofToken =
        config.blocks() * 16L * config.hidden()
            + 6 * config.feedForwards()
            + 5L * config.vocabulary();
    return Float.BYTES * (copies * weights + settings.batchTokens() * ofToken);
  }

  /** Multiplications and additions. */
  double operations(Plan plan, long tokens) {
    double weights = plan.entries().stream().mapToLong(Plan.Entry::weights).sum();
    int passes = settings.objective() == EndToEnd.Objective.TEACHER ? 4 : 3;
    return 2.0 * passes * weights * tokens * settings.epochs();
  }

  /**
   * Tunes, or takes up what was tuned before the run was killed, and rewrites the scales.
   *
   * @param written the staged artifact, of which {@code writer} has written everything
   * @param all fingerprint of all that decides the result
   */
  void run(
      Checkpoint original,
      Checkpoint written,
      CheckpointWriter writer,
      List<int[]> sequences,
      Path artifact,
      Fingerprint all,
      Progress progress) {
    var path = TunedScales.fileFor(artifact);
    var fingerprint = text(all);
    var tuned = matrices.stream().filter(at -> ScaleTuning.tunes(written.matrix(at))).toList();
    try (var scales =
        TunedScales.reopen(path, fingerprint)
            .orElseGet(
                () -> tune(original, written, tuned, sequences, path, fingerprint, progress))) {
      for (var address : tuned) {
        var weight = written.matrix(address);
        writer.write(address, ScaleTuning.with(weight, scales.of(written, address)));
      }
      writer.flush();
    }
  }

  private TunedScales tune(
      Checkpoint original,
      Checkpoint written,
      List<Address> tuned,
      List<int[]> sequences,
      Path path,
      String fingerprint,
      Progress progress) {
    var result = ScaleTuning.tune(written, original, settings, tuned, sequences, progress);
    var loss =
        settings.objective() == EndToEnd.Objective.TEACHER
            ? "divergence from the original"
            : "loss of the next token";
    var note =
        String.format(
            Locale.ROOT,
            "scales of %d of %d matrices tuned end to end: %s %.4f before, %.4f after, on sequences kept apart; errors of layers are those before",
            tuned.size(),
            matrices.size(),
            loss,
            result.before(),
            result.after());
    return TunedScales.write(written, result.scales(), note, path, fingerprint);
  }

  private static String text(Fingerprint all) {
    return Fingerprint.ofText(all.parts().toString());
  }

  /** What came of it. */
  static Optional<String> note(Path artifact, Fingerprint all) {
    return TunedScales.reopen(TunedScales.fileFor(artifact), text(all))
        .map(
            scales -> {
              try (scales) {
                return scales.note();
              }
            });
  }

  /** The run is over, or begins anew: removes the scales. */
  static void delete(Path artifact) {
    try {
      Files.deleteIfExists(TunedScales.fileFor(artifact));
    } catch (IOException e) {
      throw new LatheException(
          "cannot remove " + TunedScales.fileFor(artifact) + ": " + e.getMessage(), e);
    }
  }
}

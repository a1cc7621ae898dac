package ai.lathe.compress;

import ai.lathe.compress.calibration.Texts;
import ai.lathe.compress.plan.Target;
import ai.lathe.compress.recipe.Recipe;
import java.nio.file.Path;
import java.util.Optional;

/**
 * What to compress, how, and on what to measure it.
 *
 * @param model directory, file or {@code org/name}
 * @param artifact directory, or file whose name ends in {@code .gguf}
 * @param calibration text to calibrate on; empty for the text that comes with Lathe
 * @param evaluation text to measure on; empty for the held-out tail of the calibration text
 * @param field of JSON records or Parquet tables that holds the text
 * @param samples calibration sequences
 * @param sequenceLength tokens of a sequence, at most; empty for as many as the model takes, 512 at
 *     most
 * @param seed of the choice of sequences
 * @param imatrix importance matrix of the model, instead of statistics of the calibration text
 * @param resume go on with an unfinished run
 * @param force replace what stands at the artifact's path
 * @param target the kind of artifact
 */
public record CompressionRequest(
    String model,
    Path artifact,
    Recipe recipe,
    Optional<Path> calibration,
    Optional<Path> evaluation,
    String field,
    int samples,
    Optional<Integer> sequenceLength,
    long seed,
    Optional<Path> imatrix,
    boolean resume,
    boolean force,
    Target target) {

  /** Calibration sequences where none are asked for. */
  public static final int SAMPLES = 128;

  /** Most tokens of a sequence where no length is asked for. */
  public static final int SEQUENCE_LENGTH = Texts.SEQUENCE_LENGTH;

  /** Without an importance matrix; the kind of artifact is the one that its name tells. */
  public CompressionRequest(
      String model,
      Path artifact,
      Recipe recipe,
      Optional<Path> calibration,
      Optional<Path> evaluation,
      String field,
      int samples,
      Optional<Integer> sequenceLength,
      long seed,
      boolean resume,
      boolean force) {
    this(
        model,
        artifact,
        recipe,
        calibration,
        evaluation,
        field,
        samples,
        sequenceLength,
        seed,
        Optional.empty(),
        resume,
        force,
        Target.of(artifact, Optional.empty()));
  }

  /** The same, going on with an unfinished run or not. */
  CompressionRequest resuming(boolean unfinished) {
    return new CompressionRequest(
        model,
        artifact,
        recipe,
        calibration,
        evaluation,
        field,
        samples,
        sequenceLength,
        seed,
        imatrix,
        unfinished,
        force,
        target);
  }

  /** A request with every default. */
  public static CompressionRequest of(String model, Path artifact, Recipe recipe) {
    return new CompressionRequest(
        model,
        artifact,
        recipe,
        Optional.empty(),
        Optional.empty(),
        "text",
        SAMPLES,
        Optional.empty(),
        0,
        false,
        false);
  }
}

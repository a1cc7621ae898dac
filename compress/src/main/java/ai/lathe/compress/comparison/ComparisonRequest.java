package ai.lathe.compress.comparison;

import ai.lathe.compress.recipe.Recipe;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * What to compare, and on which texts.
 *
 * @param model directory, file or {@code org/name}
 * @param folder where results go
 * @param cells in the order in which they are run
 * @param calibration text to calibrate on; empty for the text that comes with Lathe
 * @param evaluation text to measure on; empty for the held-out tail of the calibration text
 * @param field of JSON records or Parquet tables that holds the text
 * @param samples calibration sequences
 * @param sequenceLength tokens of a sequence, at most; empty for as many as the model takes, 512 at
 *     most
 * @param seed of the choice of sequences
 * @param keep leaves the artifacts in the folder; else only what was measured of them stays
 * @param resume go on with what an earlier comparison in this folder measured
 * @param force begin anew where there is one
 */
public record ComparisonRequest(
    String model,
    Path folder,
    List<Cell> cells,
    Optional<Path> calibration,
    Optional<Path> evaluation,
    String field,
    int samples,
    Optional<Integer> sequenceLength,
    long seed,
    boolean keep,
    boolean resume,
    boolean force) {

  /**
   * One way of compressing the model.
   *
   * @param method as the table calls it, for example {@code gptq}
   * @param scheme likewise, for example {@code W4A16}
   * @param gguf the artifact is a GGUF file, not a directory
   */
  public record Cell(String method, String scheme, Recipe recipe, boolean gguf) {

    /** The artifact's name within the folder. */
    String artifact() {
      return (scheme + "-" + method).replaceAll("[^A-Za-z0-9._-]", "-") + (gguf ? ".gguf" : "");
    }
  }
}

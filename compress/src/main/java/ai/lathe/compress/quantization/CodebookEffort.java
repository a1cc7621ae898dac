package ai.lathe.compress.quantization;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;

/**
 * How thoroughly {@link CodebookSearch} searches.
 *
 * @param dampening share of the mean diagonal of {@code H} that is added to it
 * @param beam width of {@link EntrySearch} where there are several codebooks
 * @param rounds in which codebooks and codes take turns, at most
 * @param iterations of k-means, at most
 * @param seed of k-means
 */
public record CodebookEffort(double dampening, int beam, int rounds, int iterations, long seed) {

  static final CodebookEffort USUAL = new CodebookEffort(0.01, 8, 8, 50, 0);

  public CodebookEffort {
    if (!(dampening >= 0 && dampening <= 1)) {
      throw new LatheException(
          "dampening_frac is between 0 and 1 (0.01 is usual), not " + dampening);
    }
    if (beam < 1 || beam > 256) {
      throw new LatheException("beam_size is from 1 to 256, not " + beam);
    }
    if (rounds < 0 || iterations < 1) {
      throw new LatheException(
          "rounds are at least 0 and kmeans_iterations at least 1, not %d and %d"
              .formatted(rounds, iterations));
    }
  }

  static CodebookEffort read(Settings settings) {
    return new CodebookEffort(
        settings.number("dampening_frac", USUAL.dampening),
        settings.integer("beam_size", USUAL.beam),
        settings.integer("rounds", USUAL.rounds),
        settings.integer("kmeans_iterations", USUAL.iterations),
        settings.integer("seed", (int) USUAL.seed));
  }

  /** The Gram matrix of a layer whose numbers are all finite. */
  static Matrix gram(Layer layer, LayerStatistics statistics, String method) {
    layer.requireFinite();
    statistics.requireFinite(layer.name());
    return statistics
        .gram()
        .orElseThrow(
            () -> new LatheException(layer.name() + ": " + method + " needs a Gram matrix"));
  }
}

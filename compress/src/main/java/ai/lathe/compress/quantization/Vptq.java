package ai.lathe.compress.quantization;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.Encoding.Codebooks;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * VPTQ: vectors of {@code v} neighbouring outputs of one input are replaced by the nearest of
 * {@code K} centroids, input by input, and the error of each is moved into the inputs that are
 * still to come, as GPTQ does with single weights. A second codebook may hold what the first leaves
 * over.
 *
 * <p>Centroids begin as k-means of the weights, weighted by {@code H_jj}. Beyond the paper's column
 * sweep, centroids (by least squares) and codes then take turns while that lowers {@code tr((W - Q)
 * H (W - Q)^T)}; {@code rounds: 0} leaves that out.
 *
 * @see <a href="https://arxiv.org/abs/2409.17066">Liu et al., VPTQ, 2024</a>
 */
public final class Vptq implements QuantizationMethod<Vptq.Config> {

  /** What recipes may set. */
  public static final List<String> SETTINGS =
      List.of(
          "vector_length",
          "centroids",
          "residual_centroids",
          "rounds",
          "kmeans_iterations",
          "beam_size",
          "dampening_frac",
          "seed");

  /**
   * @param grid whose bytes a layer may take up
   * @param shape of the codebooks; empty to have it chosen for each layer
   * @param effort how thoroughly codes and centroids are searched
   */
  public record Config(Grid grid, Optional<Codebooks> shape, CodebookEffort effort)
      implements SolverConfig {

    public Config {
      CodebookShapes.budget(grid, "VPTQ");
    }

    public static Config of(Grid grid) {
      return new Config(grid, Optional.empty(), CodebookEffort.USUAL);
    }

    Codebooks shape(int rows, int columns) {
      return shape
          .map(given -> CodebookShapes.require(given, rows, columns))
          .orElseGet(() -> CodebookShapes.vptq(CodebookShapes.budget(grid, "VPTQ"), rows, columns));
    }
  }

  @Override
  public String name() {
    return "vptq";
  }

  @Override
  public Config config(Grid grid, Map<String, ?> settings) {
    var read = new Settings("VPTQ", settings, SETTINGS);
    int length = read.integer("vector_length", 0);
    int centroids = read.integer("centroids", 0);
    int residual = read.integer("residual_centroids", 0);
    if (length == 0 && centroids == 0 && residual == 0) {
      return new Config(grid, Optional.empty(), CodebookEffort.read(read));
    }
    if (length == 0 || centroids == 0) {
      throw new LatheException(
          "VPTQ's vector_length and centroids are given together, for example 6 and 4096");
    }
    var bits =
        residual == 0
            ? List.of(bits("centroids", centroids))
            : List.of(bits("centroids", centroids), bits("residual_centroids", residual));
    var shape = new Codebooks(length, 1, bits, false);
    return new Config(grid, Optional.of(shape), CodebookEffort.read(read));
  }

  private static int bits(String name, int centroids) {
    if (centroids < 2 || centroids > 1 << 16 || Integer.bitCount(centroids) != 1) {
      throw new LatheException(
          "VPTQ's %s is a power of two from 2 to 65536, not %d".formatted(name, centroids));
    }
    return Integer.numberOfTrailingZeros(centroids);
  }

  @Override
  public Encoding encoding(Grid grid, Config config, int rows, int columns) {
    return config.shape(rows, columns);
  }

  @Override
  public Set<Statistic> requires() {
    return Set.of(Statistic.GRAM);
  }

  @Override
  public List<Solution> solve(Layer layer, LayerStatistics statistics, List<Config> levels) {
    var gram = CodebookEffort.gram(layer, statistics, "VPTQ");
    return levels.stream().map(level -> solve(layer.weight(), gram, level)).toList();
  }

  private static Solution solve(Matrix weight, Matrix gram, Config level) {
    var shape = level.shape(weight.rows(), weight.columns());
    var search = new CodebookSearch(shape, weight, gram, level.effort());
    search.initialise();
    search.feedback();
    search.improve();
    return search.finish();
  }
}

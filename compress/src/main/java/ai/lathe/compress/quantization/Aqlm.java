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
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * AQLM: each group of {@code g} inputs of a row is the row's scale times the sum of {@code M}
 * codebook entries. Codebooks begin as k-means of the scaled weights, each of what the ones before
 * leave; then codebooks and scales, and codes, take turns in lowering {@code tr((W - Q) H (W -
 * Q)^T)}. The first half is solved by least squares where the paper takes steps of Adam (see {@link
 * CodebookFit}); the second is the paper's beam search over the codes of one group after the other,
 * exact in {@code H}. {@link PvTuning} follows.
 *
 * @see <a href="https://arxiv.org/abs/2401.06118">Egiazarian et al., AQLM, 2024</a>
 */
public final class Aqlm implements QuantizationMethod<Aqlm.Config> {

  /** What recipes may set. */
  public static final List<String> SETTINGS =
      List.of(
          "in_group_size",
          "num_codebooks",
          "nbits_per_codebook",
          "pv",
          "max_code_change",
          "rounds",
          "kmeans_iterations",
          "beam_size",
          "dampening_frac",
          "seed");

  /**
   * @param grid whose bytes a layer may take up
   * @param shape of the codebooks; empty to have it chosen for each layer
   * @param effort how thoroughly codes and codebooks are searched
   * @param pv steps of PV-Tuning; 0 for none
   * @param codeChange share of all blocks whose codes one of these steps may change
   */
  public record Config(
      Grid grid, Optional<Codebooks> shape, CodebookEffort effort, int pv, double codeChange)
      implements SolverConfig {

    public Config {
      CodebookShapes.budget(grid, "AQLM");
      if (pv < 0) {
        throw new LatheException("AQLM's pv is a number of steps, 0 for none, not " + pv);
      }
      if (!(codeChange >= 0 && codeChange <= 1)) {
        throw new LatheException(
            "AQLM's max_code_change is between 0 and 1 (0.01 is usual), not " + codeChange);
      }
    }

    public static Config of(Grid grid) {
      return new Config(grid, Optional.empty(), CodebookEffort.USUAL, 20, 0.01);
    }

    Codebooks shape(int rows, int columns) {
      return shape
          .map(given -> CodebookShapes.require(given, rows, columns))
          .orElseGet(() -> CodebookShapes.aqlm(CodebookShapes.budget(grid, "AQLM"), rows, columns));
    }
  }

  @Override
  public String name() {
    return "aqlm";
  }

  @Override
  public Config config(Grid grid, Map<String, ?> settings) {
    var read = new Settings("AQLM", settings, SETTINGS);
    var usual = Config.of(grid);
    int group = read.integer("in_group_size", 0);
    int count = read.integer("num_codebooks", 0);
    int bits = read.integer("nbits_per_codebook", 0);
    Optional<Codebooks> shape = Optional.empty();
    if (group != 0 || count != 0 || bits != 0) {
      if (group < 1 || count < 1 || bits < 1) {
        throw new LatheException(
            "AQLM's in_group_size, num_codebooks and nbits_per_codebook are given together, for example 8, 2 and 8");
      }
      shape = Optional.of(new Codebooks(1, group, Collections.nCopies(count, bits), true));
    }
    return new Config(
        grid,
        shape,
        CodebookEffort.read(read),
        read.integer("pv", usual.pv()),
        read.number("max_code_change", usual.codeChange()));
  }

  @Override
  public Optional<String> refusal(int rows, int columns, Config config) {
    return config
        .shape()
        .filter(shape -> columns % shape.inGroup() != 0)
        .map(shape -> "groups of %d do not divide rows of %d".formatted(shape.inGroup(), columns));
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
    var gram = CodebookEffort.gram(layer, statistics, "AQLM");
    return levels.stream().map(level -> solve(layer.weight(), gram, level)).toList();
  }

  private static Solution solve(Matrix weight, Matrix gram, Config level) {
    var shape = level.shape(weight.rows(), weight.columns());
    var search = new CodebookSearch(shape, weight, gram, level.effort());
    search.initialise();
    search.feedback();
    search.improve();
    new PvTuning(search, level.effort().beam()).run(level.pv(), level.codeChange());
    return search.finish();
  }
}

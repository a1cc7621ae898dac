package ai.lathe.compress.factorization;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.ModeMatrix;
import ai.lathe.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Monarch: blocks along the diagonal, a transposition, blocks along the diagonal. With {@code n}
 * blocks each, inputs {@code (k, i)} and outputs {@code (l, j)}, where {@code j} and {@code k} run
 * to {@code n}, each slice {@code W[(., j), (k, .)]} has rank {@code r}:
 *
 * <pre>
 *   y[l, j] = sum_k,s B[j, l, (k, s)] sum_i A[k, (s, j), i] x[k, i]
 * </pre>
 *
 * That is a separate low-rank problem for each slice, solved in closed form: the nearest Monarch
 * matrix by the truncated singular values of all slices. Parameters are {@code r n (out + in)}, so
 * for as many of them it reaches {@code n} times the rank of two factors that are dense.
 *
 * @see <a href="https://arxiv.org/abs/2204.00595">Dao et al., Monarch, 2022</a>
 */
public final class Monarch implements FactorizationMethod<Monarch.Config> {

  private static final String BLOCKS = "blocks";
  private static final String METRIC = "metric";

  /**
   * @param removed tells the rank of the slices
   * @param factors how the blocks are stored
   * @param blocks {@code n}, of each of the two factors; 1 is a low-rank product
   * @param metric of the slices
   * @param fit whether the blocks of the outputs are fitted to these
   */
  public record Config(
      Removal removed, Factors factors, int blocks, InputMetric metric, boolean fit)
      implements ModeSweep.Level {

    public Config {
      if (blocks < 1) {
        throw new LatheException("Monarch has at least one block (4 is usual), not " + blocks);
      }
    }

    /** Of each slice; may be 0. */
    int rank(int rows, int columns) {
      long each = (long) blocks * ((long) rows + columns);
      int most = Math.min(rows, columns) / blocks;
      return factors.rank((int) Math.min(removed.left(rows, columns) / each, most), blocks);
    }
  }

  @Override
  public String name() {
    return "monarch";
  }

  @Override
  public Config config(Removal removed, Factors factors, Map<String, ?> settings) {
    var given = new Settings("Monarch", settings, List.of(BLOCKS, METRIC, ModeSweep.FIT));
    return new Config(
        removed,
        factors,
        given.integer(BLOCKS, 4),
        given.choice(METRIC, InputMetric.DIAGONAL),
        given.flag(ModeSweep.FIT, true));
  }

  @Override
  public Set<Statistic> requires() {
    return Set.of(Statistic.GRAM);
  }

  @Override
  public Set<Statistic> requires(Config config) {
    return ModeSweep.requires(config);
  }

  @Override
  public Optional<String> refusal(int rows, int columns, Config config) {
    int n = config.blocks();
    if (rows % n != 0 || columns % n != 0) {
      return Optional.of("%d blocks do not divide %d x %d".formatted(n, rows, columns));
    }
    return config.rank(rows, columns) >= 1
        ? Optional.empty()
        : Optional.of(
            "%d blocks of rank 1 have more parameters than %.0f %% of a %d x %d matrix"
                .formatted(n, 100 * (1 - config.removed().share()), rows, columns));
  }

  @Override
  public Encoding.Product encoding(Config config, int rows, int columns) {
    int n = config.blocks();
    int rank = config.rank(rows, columns);
    return new Encoding.Product(
        List.of(
            new Encoding.Mode(1, n, false, n > 1, config.factors().ofBlocks(n * rank)),
            new Encoding.Mode(n, 1, n > 1, false, config.factors().ofBlocks(columns / n))),
        List.of(n * n * rank));
  }

  /** What decompositions of slices depend on. */
  private record Slices(int blocks, InputMetric metric, LayerStatistics statistics) {}

  @Override
  public List<Solution> solve(Layer layer, LayerStatistics statistics, List<Config> levels) {
    layer.requireFinite();
    statistics.requireFinite(layer.name());
    var weight = layer.weight();
    var spectra = new HashMap<Slices, Spectrum[]>();
    var solutions = new ArrayList<Solution>();
    for (var level : levels) {
      var notes = new ArrayList<String>();
      var seen = ModeSweep.seen(statistics, level);
      var slices = new Slices(level.blocks(), level.metric().known(seen, name(), notes), seen);
      // One decomposition of each slice serves all ranks.
      var spectrum = spectra.computeIfAbsent(slices, key -> decompose(weight, key));
      var chain = chain(weight, spectrum, level);
      var product = ModeSweep.store(chain, weight, level, seen, notes);
      solutions.add(new Solution(product, List.copyOf(notes)));
    }
    return solutions;
  }

  private static Spectrum[] decompose(Matrix weight, Slices slices) {
    int n = slices.blocks();
    int wide = weight.columns() / n;
    var spectra = new Spectrum[n * n];
    for (int k = 0; k < n; k++) {
      var inputs = new Whitening(slices.metric().of(slices.statistics(), k * wide, (k + 1) * wide));
      for (int j = 0; j < n; j++) {
        spectra[j * n + k] = Spectrum.of(slice(weight, n, j, k), inputs);
      }
    }
    return spectra;
  }

  /** {@code W[(., j), (k, .)]}. */
  private static Matrix slice(Matrix weight, int n, int j, int k) {
    var slice = Matrix.zeros(weight.rows() / n, weight.columns() / n);
    for (int l = 0; l < slice.rows(); l++) {
      System.arraycopy(
          weight.values(),
          (l * n + j) * weight.columns() + k * slice.columns(),
          slice.values(),
          l * slice.columns(),
          slice.columns());
    }
    return slice;
  }

  /** In float32; where they are to be numbers, those already. */
  private static List<ModeMatrix> chain(Matrix weight, Spectrum[] spectra, Config config) {
    int n = config.blocks();
    int high = weight.rows() / n;
    int wide = weight.columns() / n;
    int rank = config.rank(weight.rows(), weight.columns());
    var factors = Factors.plain(config.factors().type());
    boolean codes = config.factors().scheme().isPresent();
    var last = new float[n * high * n * rank];
    var first = new float[n * rank * n * wide];
    for (int j = 0; j < n; j++) {
      for (int k = 0; k < n; k++) {
        var fit = spectra[j * n + k].truncated(rank);
        var pair =
            codes
                ? List.of(fit.u(), fit.right())
                : factors.store(fit, slice(weight, n, j, k), Optional.empty()).factors().stream()
                    .map(LinearWeight::decode)
                    .toList();
        var u = pair.getFirst();
        for (int l = 0; l < high; l++) {
          int to = ((j * high + l) * n + k) * rank;
          System.arraycopy(u.values(), l * rank, last, to, rank);
        }
        var v = pair.getLast();
        for (int s = 0; s < rank; s++) {
          int to = ((k * rank + s) * n + j) * wide;
          System.arraycopy(v.values(), s * wide, first, to, wide);
        }
      }
    }
    return List.of(
        new ModeMatrix(Tensor.ofFloats(last, 1, n, high, n * rank), 1, n),
        new ModeMatrix(Tensor.ofFloats(first, n, 1, rank * n, wide), n, 1));
  }
}

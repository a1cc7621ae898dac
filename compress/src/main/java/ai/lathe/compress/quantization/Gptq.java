package ai.lathe.compress.quantization;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * GPTQ: quantizes a layer input by input, and moves the rounding error of each into the inputs that
 * are still to come, along the inverse of the Gram matrix {@code H = X X^T}.
 *
 * <p>Minimises {@code ||W X - Q X||^2} over {@code Q} on the grid, one row of {@code W [out, in]}
 * at a time; all rows share {@code H}. With {@code H^-1 = U^T U}, {@code U} upper triangular, and
 * {@code E} the errors in units of {@code U_jj}:
 *
 * <pre>
 *   for each input j:   q_j = round(w_j)      e_j = (w_j - q_j) / U_jj      w_k -= e_j U_jk  (k > j)
 * </pre>
 *
 * In the end {@code W - Q = E U}, so {@code tr((W - Q) H (W - Q)^T) = sum of E^2}.
 *
 * @see <a href="https://arxiv.org/abs/2210.17323">Frantar et al., GPTQ, 2022</a>
 */
public final class Gptq implements QuantizationMethod<Gptq.Config> {

  /**
   * @param order in which inputs are quantized
   * @param blockSize inputs whose errors are collected before the rest of the row is updated; a
   *     matter of speed
   * @param dampening share of the mean diagonal of {@code H} that is added to it; raised tenfold
   *     while {@code H} is not positive definite
   */
  public record Config(Grid grid, ColumnOrder order, int blockSize, double dampening)
      implements SolverConfig {

    public Config {
      if (blockSize < 1) {
        throw new LatheException("GPTQ's block_size is at least 1, not " + blockSize);
      }
      if (!(dampening >= 0 && dampening <= 1)) {
        throw new LatheException(
            "GPTQ's dampening_frac is between 0 and 1 (0.01 is usual), not " + dampening);
      }
      if (order == ColumnOrder.GROUP && !grid.anyGroups()) {
        throw new LatheException(
            grid.encoding().label() + " cannot store regrouped inputs: take actorder 'static'");
      }
    }

    @Override
    public boolean ordersColumns() {
      return order == ColumnOrder.STATIC;
    }

    /** The defaults: static order, blocks of 128, dampening 0.01. */
    public static Config of(Grid grid) {
      return new Config(grid, ColumnOrder.STATIC, 128, 0.01);
    }
  }

  @Override
  public String name() {
    return "gptq";
  }

  @Override
  public Config config(Grid grid, Map<String, ?> settings) {
    return GptqSettings.read(grid, settings);
  }

  /** Groups that are formed in the order of the sweep need their index beside the codes. */
  @Override
  public Encoding encoding(Grid grid, Config config) {
    return grid.encoding() instanceof Encoding.Grouped(var scheme, var scales, _)
            && config.order() == ColumnOrder.GROUP
        ? new Encoding.Grouped(scheme, scales, true)
        : grid.encoding();
  }

  @Override
  public Set<Statistic> requires() {
    return Set.of(Statistic.GRAM);
  }

  @Override
  public List<Solution> solve(Layer layer, LayerStatistics statistics, List<Config> levels) {
    var factors = new InverseFactors(layer, statistics, "GPTQ");
    var gram = statistics.gram().orElseThrow();
    return levels.stream()
        .map(level -> solve(layer.weight(), factors.of(level), gram, level))
        .toList();
  }

  private static Solution solve(Matrix weight, InverseFactor factor, Matrix gram, Config level) {
    if (factor.upper().isEmpty() && level.order() != ColumnOrder.GROUP) {
      var rounded = Rtn.round(weight, level.grid(), LayerStatistics.diagonal(gram));
      return new Solution(rounded, factor.notes("GPTQ"));
    }
    var sweep = new ColumnSweep(weight, factor, level);
    var quantizer = sweep.quantizer();
    sweep.run(quantizer, 0, weight.rows());
    return new Solution(quantizer.finish(), factor.notes("GPTQ"));
  }

  /**
   * Quantizes all columns of {@code w}, and leaves {@code E} in their place.
   *
   * @param order the input that each column of {@code w} is
   * @param fitEvery group size where each group is fitted when the sweep reaches it, to the weights
   *     as they are by then; 0 where all groups are fitted already
   */
  static void sweep(
      Matrix w, Matrix u, int[] order, Quantizer quantizer, int blockSize, int fitEvery) {
    sweep(w, 0, w.rows(), u, order, quantizer, blockSize, fitEvery);
  }

  /**
   * Rows {@code [first, last)} alone, which do not depend on the others. They begin and end where
   * {@link Quantizer#rowsTogether} permits.
   */
  static void sweep(
      Matrix w,
      int first,
      int last,
      Matrix u,
      int[] order,
      Quantizer quantizer,
      int blockSize,
      int fitEvery) {
    ErrorFeedback.sweep(
        w, first, last, u, new Fitted(w, order, quantizer, fitEvery), blockSize, fitEvery);
  }

  /** Each weight on the grid, its group fitted beforehand or when the sweep reaches it. */
  private record Fitted(Matrix w, int[] order, Quantizer quantizer, int fitEvery)
      implements ErrorFeedback.Replacement {

    @Override
    public void input(int j, int begin, int end) {
      if (fitEvery != 0 && j % fitEvery == 0) {
        int n = w.columns();
        quantizer.fit(begin, end, j / fitEvery, w.values(), begin * n + j, n);
      }
    }

    @Override
    public float replace(int row, int j, float value) {
      return quantizer.round(row, order[j], value);
    }

    @Override
    public int rowsTogether() {
      return quantizer.rowsTogether();
    }
  }
}

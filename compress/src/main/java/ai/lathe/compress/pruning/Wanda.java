package ai.lathe.compress.pruning;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Parallel;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Wanda: a weight counts as much as it can move its output,
 *
 * <pre>
 *   S_ij = |W_ij| ||X_j||_2
 * </pre>
 *
 * with {@code ||X_j||} the norm of input {@code j} over the calibration tokens: the root of {@code
 * (X X^T)_jj}. Of each output, that is each row of {@code W [out, in]}, the {@code int(in * s)}
 * weights of the least score become zero; the others stay as they are.
 *
 * @see <a href="https://arxiv.org/abs/2306.11695">Sun et al., A simple and effective pruning
 *     approach for large language models, 2023</a>
 */
public final class Wanda implements MaskingMethod<Wanda.Config> {

  private static final String SCOPE = "scope";

  /**
   * @param scope among which weights the least are found: the rows of the paper, or the whole
   *     matrix; without meaning for n:m, which finds them among {@code m}
   */
  public record Config(Sparsity sparsity, Kept kept, Scope scope) implements MaskingMethod.Config {}

  @Override
  public String name() {
    return "wanda";
  }

  @Override
  public Config config(Sparsity sparsity, Kept kept, Map<String, ?> settings) {
    var scope = new Settings("Wanda", settings, List.of(SCOPE)).choice(SCOPE, Scope.ROW);
    if (scope == Scope.GLOBAL) {
      throw new LatheException(
          "Wanda's scope is row or layer: scores of layers with different inputs do not compare");
    }
    return new Config(sparsity, kept, scope);
  }

  @Override
  public Set<Statistic> requires() {
    return Set.of(Statistic.INPUT_SQUARED_NORM);
  }

  @Override
  public Matrix scores(Layer layer, LayerStatistics statistics, Config config) {
    statistics.requireFinite(layer.name());
    return scores(
        layer.weight(),
        statistics
            .squaredNorm()
            .orElseThrow(
                () -> new LatheException(layer.name() + ": Wanda needs the norms of its inputs")));
  }

  /** {@code S [out, in]}. */
  static Matrix scores(Matrix weight, float[] squaredNorm) {
    int columns = weight.columns();
    var norm = new float[columns];
    for (int j = 0; j < columns; j++) {
      norm[j] = (float) Math.sqrt(squaredNorm[j]);
    }
    var scores = Matrix.zeros(weight.rows(), columns);
    Parallel.forEach(
        weight.rows(),
        i -> {
          for (int at = i * columns, j = 0; j < columns; j++) {
            scores.values()[at + j] = Math.abs(weight.values()[at + j]) * norm[j];
          }
        });
    return scores;
  }
}

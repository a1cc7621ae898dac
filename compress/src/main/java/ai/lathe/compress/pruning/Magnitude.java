package ai.lathe.compress.pruning;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.linalg.Cut;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Magnitude pruning: the weights of the least absolute value become zero, the others stay as they
 * are. A block counts with its Euclidean norm.
 *
 * @see <a href="https://arxiv.org/abs/1506.02626">Han et al., Learning both weights and
 *     connections, 2015</a>
 */
public final class Magnitude implements MaskingMethod<Magnitude.Config> {

  private static final String SCOPE = "scope";

  /**
   * @param scope among which weights the smallest are found; without meaning for n:m, which finds
   *     them among {@code m}
   */
  public record Config(Sparsity sparsity, Kept kept, Scope scope) implements MaskingMethod.Config {}

  @Override
  public String name() {
    return "magnitude";
  }

  @Override
  public Config config(Sparsity sparsity, Kept kept, Map<String, ?> settings) {
    var given = new Settings("magnitude pruning", settings, List.of(SCOPE));
    return new Config(sparsity, kept, given.choice(SCOPE, Scope.LAYER));
  }

  /** Of all matrices together the smallest, found by streaming through them. */
  @Override
  public List<Double> shares(List<Candidate> matrices, Sparsity sparsity, Config config) {
    var pattern = sparsity.pattern();
    if (config.scope() != Scope.GLOBAL || pattern instanceof Pattern.SemiStructured) {
      return MaskingMethod.super.shares(matrices, sparsity, config);
    }
    long all = 0;
    for (var matrix : matrices) {
      all += (long) matrix.rows() * matrix.columns() / sparsity.blockSize();
    }
    var cut =
        Cut.of(
            Math.round(all * sparsity.share()),
            counter -> {
              for (var matrix : matrices) {
                var scores = Selection.units(scores(matrix.weight()), pattern).values();
                counter.count(scores, 0, scores.length);
              }
            });
    var shares = new ArrayList<Double>();
    long ties = cut.ties();
    for (var matrix : matrices) {
      var scores = Selection.units(scores(matrix.weight()), pattern).values();
      long zeros = 0;
      for (float score : scores) {
        zeros += score < cut.threshold() || score == cut.threshold() && ties-- > 0 ? 1 : 0;
      }
      if (zeros == scores.length) {
        throw new LatheException(
            "a sparsity of %s over all layers would leave nothing of one of %d x %d: ask for less, or take scope layer"
                .formatted(sparsity.label(), matrix.rows(), matrix.columns()));
      }
      shares.add((double) zeros / scores.length);
    }
    return shares;
  }

  @Override
  public Matrix scores(Layer layer, LayerStatistics statistics, Config config) {
    return scores(layer.weight());
  }

  /** {@code |W|}. */
  static Matrix scores(Matrix weight) {
    var magnitudes = weight.copy();
    for (int i = 0; i < magnitudes.values().length; i++) {
      magnitudes.values()[i] = Math.abs(magnitudes.values()[i]);
    }
    return magnitudes;
  }
}

package ai.lathe.compress.pruning;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Pattern;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Keeps the zeros that a model already has, and stores it as what it is: sparse. The weights that
 * stay are rounded where a scheme says so.
 */
public final class Constant implements MaskingMethod<Constant.Config> {

  /** The short name. */
  public static final String NAME = "constant";

  /**
   * @param sparsity of the layer as it is
   */
  public record Config(Sparsity sparsity, Kept kept) implements MaskingMethod.Config {}

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public Config config(Sparsity sparsity, Kept kept, Map<String, ?> settings) {
    new Settings(NAME + " pruning", settings, List.of());
    return new Config(sparsity, kept);
  }

  /** What is zero of each matrix, counted. */
  @Override
  public List<Double> shares(List<Candidate> matrices, Sparsity sparsity, Config config) {
    if (sparsity.pattern() instanceof Pattern.SemiStructured) {
      return MaskingMethod.super.shares(matrices, sparsity, config);
    }
    var shares = new ArrayList<Double>();
    for (var matrix : matrices) {
      var scores = Selection.units(Magnitude.scores(matrix.weight()), sparsity.pattern());
      long zeros = 0;
      for (float score : scores.values()) {
        zeros += score == 0 ? 1 : 0;
      }
      // One weight at least is stored.
      shares.add((double) Math.min(zeros, scores.values().length - 1) / scores.values().length);
    }
    if (shares.stream().allMatch(share -> share == 0)) {
      throw new LatheException(
          "constant pruning keeps the zeros that a model has, and this one has none");
    }
    return shares;
  }

  @Override
  public Matrix scores(Layer layer, LayerStatistics statistics, Config config) {
    return Magnitude.scores(layer.weight());
  }

  /** As all others do, but leaves out nothing that is not zero. */
  @Override
  public List<Solution> solve(Layer layer, LayerStatistics statistics, List<Config> levels) {
    layer.requireFinite();
    var pruned = new Pruned(layer, statistics);
    return levels.stream()
        .map(
            level -> {
              var scores = scores(layer, statistics, level);
              var mask = Selection.keepGreatest(scores, level.sparsity(), level.scope());
              requireAll(layer, mask, level.sparsity());
              return pruned.solution(mask, level.sparsity().pattern(), level.kept());
            })
        .toList();
  }

  /** Nothing but zeros may be left out. */
  private static void requireAll(Layer layer, Mask mask, Sparsity sparsity) {
    var weight = layer.weight();
    for (int i = 0; i < weight.rows(); i++) {
      for (int j = 0; j < weight.columns(); j++) {
        if (!mask.keeps(i, j) && weight.at(i, j) != 0) {
          throw new LatheException(
              "layer %s has fewer zeros than %s, or not in that pattern: name what it has, or another way of pruning than constant"
                  .formatted(layer.name(), sparsity.label()));
        }
      }
    }
  }
}

package ai.lathe.compress.transform;

import ai.lathe.compress.layer.LayerStatistics.Range;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.architecture.ScalingSet;
import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * SmoothQuant: moves the outliers of activations into the weights that read them, so that both have
 * ranges that eight bits can hold. Of each norm and the layers that read it,
 *
 * <pre>
 *   s_j = range(x_j)^a / range(W_j)^(1 - a)      x_j := x_j / s_j      W_ij := W_ij s_j
 * </pre>
 *
 * with {@code range(x_j) = max x_j - min x_j} over the calibration tokens and {@code range(W_j) = 2
 * max |W_ij|} over all layers that read the input.
 *
 * @param strength {@code a}: 0 makes the ranges of all weight columns equal, 1 those of all inputs
 * @param mappings sets to smooth; empty for every norm and the linear layers that read it
 * @see <a href="https://arxiv.org/abs/2211.10438">Xiao et al., SmoothQuant, 2022</a>
 */
public record SmoothQuant(double strength, List<Mapping> mappings) implements BlockTransform {

  private static final double LEAST = 1e-5;

  public SmoothQuant {
    if (!(strength >= 0 && strength <= 1)) {
      throw new LatheException(
          "smoothing_strength is between 0 and 1 (0.5 is usual), not " + strength);
    }
    mappings = List.copyOf(mappings);
  }

  @Override
  public String name() {
    return "SmoothQuant";
  }

  @Override
  public Map<Role, Set<Statistic>> requires(Checkpoint model) {
    var sites = new EnumMap<Role, Set<Statistic>>(Role.class);
    for (var set : sets(model)) {
      sites.put(set.producer(), Set.of(Statistic.INPUT_RANGE));
    }
    if (sites.isEmpty()) {
      throw new LatheException(
          "SmoothQuant can do nothing for "
              + model.architecture().name()
              + ", whose norms feed more than linear layers");
    }
    return sites;
  }

  private List<ScalingSet> sets(Checkpoint model) {
    return Mapping.sets(model, mappings, set -> afterNorm(model, set));
  }

  private static boolean afterNorm(Checkpoint model, ScalingSet set) {
    return !model.architecture().parameter(set.producer()).isMatrix();
  }

  @Override
  public List<String> notes(Checkpoint model) {
    return Mapping.obstacles(name(), model, mappings, set -> afterNorm(model, set));
  }

  @Override
  public List<Change> apply(BlockWeights block) {
    var changes = new ArrayList<Change>();
    for (var set : sets(block.source())) {
      for (var scaling : block.scalings(set)) {
        changes.add(smooth(block, scaling));
      }
    }
    return changes;
  }

  private Change smooth(BlockWeights block, Scaling scaling) {
    var inputs = new float[scaling.outputs()];
    var weights = new float[scaling.outputs()];
    for (var consumer : scaling.consumers()) {
      var statistics = block.statistics(consumer);
      statistics.requireFinite(block.name(consumer));
      // An expert that no token was routed to has no range; what every token passes has.
      statistics.range().ifPresent(range -> scaling.widen(inputs, ranges(range)));
      var weight = block.weight(consumer);
      var columns = new float[weight.columns()];
      for (int i = 0; i < weight.rows(); i++) {
        for (int j = 0; j < columns.length; j++) {
          columns[j] = Math.max(columns[j], 2 * Math.abs(weight.at(i, j)));
        }
      }
      scaling.widen(weights, columns);
    }
    block.scale(scaling, scales(inputs, weights, strength));
    return Change.of(name(), block, scaling, Map.of("smoothing_strength", strength));
  }

  private static float[] ranges(Range range) {
    var ranges = new float[range.least().length];
    for (int j = 0; j < ranges.length; j++) {
      ranges[j] = range.greatest()[j] - range.least()[j];
    }
    return ranges;
  }

  /**
   * {@code s}. An input that never changes is left alone; one that no weight reads is scaled by its
   * own range.
   *
   * @param inputs ranges of the inputs
   * @param weights ranges of the weights that read them
   */
  static float[] scales(float[] inputs, float[] weights, double strength) {
    var s = new float[inputs.length];
    for (int j = 0; j < s.length; j++) {
      double scale =
          weights[j] > 0
              ? Math.pow(inputs[j], strength) / Math.pow(weights[j], 1 - strength)
              : inputs[j];
      s[j] = inputs[j] > 0 ? (float) Math.max(LEAST, scale) : 1;
    }
    return s;
  }
}

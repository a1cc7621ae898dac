package ai.lathe.compress.factorization;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.linalg.LowRankFit.Metric;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * LoRD, atomic feature mimicking: the principal components of a layer's outputs. With the mean
 * {@code mu} of {@code y = W x + b}, and {@code V} the leading eigenvectors of its covariance,
 *
 * <pre>
 *   y ~ V V^T (y - mu) + mu = V (V^T W) x + b + (I - V V^T) W m
 * </pre>
 *
 * for the mean {@code m} of the inputs. The covariance is {@code W (H / n - m m^T) W^T}: that is
 * {@link SvdLlm} in the metric of the inputs without their mean, and a bias that keeps the mean of
 * the outputs as the product is stored. What is left of the variance is the sum of the eigenvalues
 * that are dropped.
 *
 * @see <a href="https://arxiv.org/abs/2309.14021">Kaushal et al., LoRD, 2023</a>
 */
public final class Lord implements LowRankMethod<Lord.Config> {

  private static final String MULTIPLE = "multiple";

  /**
   * @param multiple ranks are multiples of it; the paper has 128
   * @param centred false where there is no place for a bias: then outputs are taken with their
   *     mean, which is {@link SvdLlm}
   * @param dampening tokens of noise for each input, 0 for the calibration data alone
   */
  public record Config(
      Removal removed, Factors factors, int multiple, boolean centred, double dampening)
      implements LowRankMethod.Config {

    public Config {
      if (multiple < 1) {
        throw new LatheException(
            "LoRD's multiple is at least 1 (1 and 128 are usual), not " + multiple);
      }
    }

    @Override
    public boolean shiftsBias() {
      return centred;
    }

    /** The bias is among the parameters that stay. */
    @Override
    public int rank(int rows, int columns) {
      long left = removed.left(rows, columns) - (centred ? rows : 0);
      int most = (int) Math.clamp(left / (rows + columns), 0, Math.min(rows, columns));
      int rank = factors.rank(most);
      return rank - rank % multiple;
    }
  }

  @Override
  public String name() {
    return "lord";
  }

  @Override
  public Config config(Removal removed, Factors factors, Map<String, ?> settings) {
    var given = new Settings("LoRD", settings, List.of(MULTIPLE, Dampening.KEY));
    return new Config(removed, factors, given.integer(MULTIPLE, 1), true, Dampening.of(given));
  }

  @Override
  public Config withoutBias(Config config) {
    return new Config(
        config.removed(), config.factors(), config.multiple(), false, config.dampening());
  }

  @Override
  public Set<Statistic> requires() {
    return Set.of(Statistic.GRAM, Statistic.INPUT_MEAN);
  }

  @Override
  public Set<Statistic> requires(Config config) {
    return config.centred() ? requires() : Set.of(Statistic.GRAM);
  }

  @Override
  public Optional<String> refusal(int rows, int columns, Config config) {
    return config.rank(rows, columns) >= 1
        ? Optional.empty()
        : Optional.of(
            "a %d x %d matrix of rank %d has more parameters than %.0f %% of its own"
                .formatted(rows, columns, config.multiple(), 100 * (1 - config.removed().share())));
  }

  @Override
  public Metric metric(Layer layer, LayerStatistics statistics, Config config, List<String> notes) {
    if (statistics.gram().isEmpty()) {
      notes.add("nothing is known of its inputs: svd instead of lord");
      return Metric.PLAIN;
    }
    return new Metric.Full(statistics.gram().get());
  }

  @Override
  public List<Solution> solve(Layer layer, LayerStatistics statistics, List<Config> levels) {
    statistics.requireFinite(layer.name());
    var solutions = new ArrayList<Solution>();
    var centred = statistics.centred();
    var mean = statistics.mean();
    // One decomposition serves all levels of either kind.
    var with = levels.stream().filter(level -> level.centred() && centred.isPresent()).toList();
    var without = levels.stream().filter(level -> !with.contains(level)).toList();
    var shifted =
        with.isEmpty()
            ? List.<Solution>of()
            : LowRankMethod.super.solve(layer, centred.get(), with).stream()
                .map(solution -> solution.keepingMean(layer.weight(), mean.orElseThrow()))
                .toList();
    var others =
        without.isEmpty()
            ? List.<Solution>of()
            : LowRankMethod.super.solve(layer, statistics, without);
    for (var level : levels) {
      int at = with.indexOf(level);
      solutions.add(at >= 0 ? shifted.get(at) : others.get(without.indexOf(level)));
    }
    return solutions;
  }
}

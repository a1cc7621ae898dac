package ai.lathe.compress.calibration;

import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.LayerStatistics.Range;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.model.architecture.Site;
import ai.lathe.torch.FeatureAccumulator;
import ai.lathe.torch.GramAccumulator;
import ai.lathe.torch.InputListener;
import ai.lathe.torch.InputStatistic;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.bytedeco.pytorch.Tensor;

/**
 * Accumulates the statistics of a block's inputs, once for each input that layers share and only
 * those that are required.
 */
final class StatisticsCollector implements InputListener, AutoCloseable {

  private final Map<Site, Set<Statistic>> required;
  private final Map<Site, GramAccumulator> grams = new HashMap<>();
  private final Map<Site, FeatureAccumulator> features = new HashMap<>();

  /**
   * @param required by input site; other sites are passed over
   */
  StatisticsCollector(Map<Site, Set<Statistic>> required) {
    this.required = required;
  }

  @Override
  public void input(Site site, Tensor input, Tensor padding) {
    var statistics = required.getOrDefault(site, Set.of());
    int size = (int) input.size(-1);
    boolean gram = statistics.contains(Statistic.GRAM);
    if (gram) {
      grams.computeIfAbsent(site, _ -> new GramAccumulator(size)).add(input, padding);
    }
    if (statistics.contains(Statistic.INPUT_RANGE)
        || statistics.contains(Statistic.INPUT_MAGNITUDE)
        || statistics.contains(Statistic.INPUT_MEAN)
        || statistics.contains(Statistic.INPUT_SQUARED_NORM) && !gram) {
      features.computeIfAbsent(site, _ -> new FeatureAccumulator(size)).add(input, padding);
    }
  }

  /** The statistics of a site; frees what was accumulated for it. */
  LayerStatistics take(Site site) {
    var statistics = LayerStatistics.NONE;
    var gram = grams.remove(site);
    if (gram != null) {
      try (gram) {
        statistics = LayerStatistics.of(gram.tokens(), gram.gram());
      }
    }
    var feature = features.remove(site);
    if (feature == null) {
      return statistics;
    }
    return new LayerStatistics(
        feature.tokens(),
        statistics.gram(),
        statistics.squaredNorm().or(() -> Optional.of(feature.squaredNorm())),
        Optional.of(new Range(feature.least(), feature.greatest())),
        Optional.of(feature.meanMagnitude()),
        Optional.of(feature.mean()));
  }

  @Override
  public void close() {
    grams.values().forEach(InputStatistic::close);
    features.values().forEach(InputStatistic::close);
  }
}

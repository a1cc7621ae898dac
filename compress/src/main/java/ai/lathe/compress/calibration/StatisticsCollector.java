package ai.lathe.compress.calibration;

import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.model.architecture.Site;
import ai.lathe.torch.GramAccumulator;
import ai.lathe.torch.InputListener;
import ai.lathe.torch.InputStatistic;
import ai.lathe.torch.SquaredNormAccumulator;
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
  private final Map<Site, InputStatistic> sums = new HashMap<>();

  /**
   * @param required by input site; other sites are passed over
   */
  StatisticsCollector(Map<Site, Set<Statistic>> required) {
    this.required = required;
  }

  @Override
  public void input(Site site, Tensor input, Tensor padding) {
    var statistics = required.getOrDefault(site, Set.of());
    if (!statistics.isEmpty()) {
      sums.computeIfAbsent(site, _ -> accumulator((int) input.size(-1), statistics))
          .add(input, padding);
    }
  }

  /** The statistics of a site; frees what was accumulated for it. */
  LayerStatistics take(Site site) {
    var accumulator = sums.remove(site);
    if (accumulator == null) {
      return LayerStatistics.NONE;
    }
    try (accumulator) {
      return switch (accumulator) {
        case GramAccumulator gram -> LayerStatistics.of(gram.tokens(), gram.gram());
        case SquaredNormAccumulator norm ->
            new LayerStatistics(norm.tokens(), Optional.empty(), Optional.of(norm.squaredNorm()));
      };
    }
  }

  private static InputStatistic accumulator(int size, Set<Statistic> statistics) {
    return statistics.contains(Statistic.GRAM)
        ? new GramAccumulator(size)
        : new SquaredNormAccumulator(size);
  }

  @Override
  public void close() {
    sums.values().forEach(InputStatistic::close);
  }
}

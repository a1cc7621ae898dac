package ai.lathe.compress.factorization;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.linalg.LowRankFit.Metric;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The truncated singular value decomposition {@code W = U S V^T}: least {@code ||W - B A||}, where
 * the same error weighs the same in every input. It needs no data, and is what others are compared
 * with.
 */
public final class Svd implements LowRankMethod<Svd.Config> {

  public record Config(Removal removed, Factors factors) implements LowRankMethod.Config {}

  @Override
  public String name() {
    return "svd";
  }

  @Override
  public Config config(Removal removed, Factors factors, Map<String, ?> settings) {
    new Settings("svd", settings, List.of());
    return new Config(removed, factors);
  }

  @Override
  public Set<Statistic> requires() {
    return Set.of();
  }

  @Override
  public Metric metric(Layer layer, LayerStatistics statistics, Config config, List<String> notes) {
    return Metric.PLAIN;
  }
}

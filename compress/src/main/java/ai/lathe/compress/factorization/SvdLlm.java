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
 * SVD-LLM: least change of the layer's outputs, {@code ||(W - B A) X||}. With {@code X X^T = H = T
 * T^T} it truncates {@code W T = U S V^T} and takes {@code V^T T^-1} back; each singular value that
 * is dropped costs exactly itself. {@link Spectrum} has the same product without the inverse.
 *
 * @see <a href="https://arxiv.org/abs/2403.07378">Wang et al., SVD-LLM, 2024</a>
 */
public final class SvdLlm implements LowRankMethod<SvdLlm.Config> {

  /**
   * @param dampening tokens of noise for each input, 0 for the calibration data alone
   */
  public record Config(Removal removed, Factors factors, double dampening)
      implements LowRankMethod.Config {}

  @Override
  public String name() {
    return "svd-llm";
  }

  @Override
  public Config config(Removal removed, Factors factors, Map<String, ?> settings) {
    var given = new Settings("svd-llm", settings, List.of(Dampening.KEY));
    return new Config(removed, factors, Dampening.of(given));
  }

  @Override
  public Set<Statistic> requires() {
    return Set.of(Statistic.GRAM);
  }

  @Override
  public Metric metric(Layer layer, LayerStatistics statistics, Config config, List<String> notes) {
    if (statistics.gram().isEmpty()) {
      notes.add("nothing is known of its inputs: svd instead of svd-llm");
      return Metric.PLAIN;
    }
    return new Metric.Full(statistics.gram().get());
  }
}

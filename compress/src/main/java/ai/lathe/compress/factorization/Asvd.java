package ai.lathe.compress.factorization;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.linalg.LowRankFit.Metric;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * ASVD: inputs that are large weigh more. {@code W diag(s) = U S V^T} is truncated and divided by
 * {@code s} again, with
 *
 * <pre>
 *   s_j = mean(|x_j|)^alpha + 1e-6
 * </pre>
 *
 * @see <a href="https://arxiv.org/abs/2312.05821">Yuan et al., ASVD, 2023</a>
 */
public final class Asvd implements LowRankMethod<Asvd.Config> {

  private static final String ALPHA = "alpha";
  private static final double LEAST = 1e-6;

  /**
   * @param alpha 0 is {@link Svd}; 0.5 is the paper's
   */
  public record Config(Removal removed, Factors factors, double alpha)
      implements LowRankMethod.Config {

    public Config {
      if (!(alpha >= 0 && alpha <= 2)) {
        throw new LatheException("ASVD's alpha is from 0 to 2 (0.5 is usual), not " + alpha);
      }
    }
  }

  @Override
  public String name() {
    return "asvd";
  }

  @Override
  public Config config(Removal removed, Factors factors, Map<String, ?> settings) {
    var given = new Settings("ASVD", settings, List.of(ALPHA));
    return new Config(removed, factors, given.number(ALPHA, 0.5));
  }

  @Override
  public Set<Statistic> requires() {
    return Set.of(Statistic.INPUT_MAGNITUDE);
  }

  @Override
  public Metric metric(Layer layer, LayerStatistics statistics, Config config, List<String> notes) {
    if (statistics.magnitude().isEmpty()) {
      notes.add("nothing is known of its inputs: svd instead of asvd");
      return Metric.PLAIN;
    }
    var mean = statistics.magnitude().get();
    var squares = new float[mean.length];
    for (int j = 0; j < squares.length; j++) {
      double s = Math.pow(mean[j], config.alpha()) + LEAST;
      squares[j] = (float) (s * s);
    }
    return new Metric.Diagonal(squares);
  }
}

package ai.lathe.compress.factorization;

import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.LatheException;
import java.util.List;
import java.util.Map;

/**
 * A matrix product operator, CompactifAI's form of a weight: its indices are split into several, as
 * evenly as the divisors of the shape allow, and each pair of an output and an input index has a
 * core, bound to its neighbours by {@code chi} numbers. The greatest {@code chi} that saves enough
 * is the level.
 *
 * @see <a href="https://arxiv.org/abs/2401.14109">Tomut et al., CompactifAI, 2024</a>
 */
public final class Mpo implements CoreMethod<Mpo.Config> {

  private static final String CORES = "cores";
  private static final String METRIC = "metric";

  /**
   * @param count of cores, 2 to 4
   * @param metric plain or diagonal
   * @param fit whether the core of the outputs is fitted to these
   */
  public record Config(Removal removed, Factors factors, int count, InputMetric metric, boolean fit)
      implements CoreMethod.Config {

    public Config {
      if (count < 2 || count > 4) {
        throw new LatheException(
            "a matrix product operator has 2 to 4 cores (3 is usual), not " + count);
      }
    }

    @Override
    public Cores cores(int rows, int columns) {
      return Cores.even(rows, columns, count);
    }
  }

  @Override
  public String name() {
    return "mpo";
  }

  @Override
  public Config config(Removal removed, Factors factors, Map<String, ?> settings) {
    var given = new Settings("MPO", settings, List.of(CORES, METRIC, ModeSweep.FIT));
    return new Config(
        removed,
        factors,
        given.integer(CORES, 3),
        CoreMethod.metric(name(), given.choice(METRIC, InputMetric.DIAGONAL)),
        given.flag(ModeSweep.FIT, true));
  }
}

package ai.lathe.compress.factorization;

import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.LatheException;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The nearest sum of Kronecker products {@code sum_s A_s (x) B_s}: with the entries of {@code W} in
 * the order in which {@code A (x) B} is an outer product, that is a truncated singular value
 * decomposition. It is a matrix product operator of two cores, bound by the number of terms: the
 * greatest that saves enough parameters.
 *
 * @see <a href="https://doi.org/10.1007/978-94-015-8196-7_17">Van Loan, Pitsianis, 1993</a>
 */
public final class Kronecker implements CoreMethod<Kronecker.Config> {

  private static final String ROWS = "rows";
  private static final String COLUMNS = "columns";
  private static final String METRIC = "metric";

  /**
   * @param high rows of {@code A}; 0 for about the root of those of the weight
   * @param wide columns of {@code A}; 0 likewise
   * @param metric plain or diagonal
   * @param fit whether the matrices {@code A} are fitted to the outputs
   */
  public record Config(
      Removal removed, Factors factors, int high, int wide, InputMetric metric, boolean fit)
      implements CoreMethod.Config {

    public Config {
      if (high < 0 || wide < 0) {
        throw new LatheException(
            "the left matrix of a Kronecker product has at least one row and column, not %d x %d"
                .formatted(high, wide));
      }
    }

    @Override
    public Cores cores(int rows, int columns) {
      var even = Cores.even(rows, columns, 2);
      int o = high == 0 ? even.out().getFirst() : high;
      int i = wide == 0 ? even.in().getFirst() : wide;
      return new Cores(List.of(o, rows / o), List.of(i, columns / i));
    }
  }

  @Override
  public String name() {
    return "kronecker";
  }

  @Override
  public Config config(Removal removed, Factors factors, Map<String, ?> settings) {
    var given = new Settings("Kronecker", settings, List.of(ROWS, COLUMNS, METRIC, ModeSweep.FIT));
    return new Config(
        removed,
        factors,
        given.integer(ROWS, 0),
        given.integer(COLUMNS, 0),
        CoreMethod.metric(name(), given.choice(METRIC, InputMetric.DIAGONAL)),
        given.flag(ModeSweep.FIT, true));
  }

  @Override
  public Optional<String> refusal(int rows, int columns, Config config) {
    int high = Math.max(config.high(), 1);
    int wide = Math.max(config.wide(), 1);
    return rows % high == 0 && columns % wide == 0
        ? CoreMethod.super.refusal(rows, columns, config)
        : Optional.of(
            "a left matrix of %d x %d does not divide %d x %d"
                .formatted(high, wide, rows, columns));
  }
}

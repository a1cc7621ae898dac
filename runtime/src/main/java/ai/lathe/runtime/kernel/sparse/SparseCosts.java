package ai.lathe.runtime.kernel.sparse;

import ai.lathe.runtime.kernel.sparse.SparseChoice.Verdict;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.Sparse;
import java.util.Comparator;
import java.util.List;

/**
 * How many times as fast sparse weights are without their zeros as with them, measured:
 *
 * <pre>
 * tools/bench SparseKernels 2 2048 131072 1 int8,int8g32,int4g32 unstructured
 * tools/bench SparseKernels 2 2048 8192 16 512 int8,int8g32,int4g32 unstructured
 * </pre>
 *
 * on an Intel Xeon with AVX-512 VNNI and VBMI2, 2 cores, one token of weights in memory. Many
 * tokens spread weights out once for all of them and run at the dense kernels' speed.
 */
final class SparseCosts {

  /**
   * Weights that are worth the trouble: fewer stay in a cache, where masks cost more than bytes.
   */
  private static final long LEAST = 1 << 20;

  /** What a choice has to gain. */
  private static final double WORTH = 1.05;

  /**
   * @param wide whether codes have more than 4 bits: their dense weights take a byte
   * @param density the share of weights that are there
   * @param times as fast as dense, one token
   */
  private record Cost(String provider, boolean wide, double density, double times) {}

  private static final List<Cost> COSTS =
      List.of(
          new Cost("vector", true, 0.25, 1.5),
          new Cost("vector", true, 0.5, 1.2),
          new Cost("vector", true, 0.7, 1.0),
          new Cost("emitted", true, 0.25, 1.9),
          new Cost("emitted", true, 0.5, 1.4),
          new Cost("emitted", true, 0.7, 1.1),
          new Cost("emitted", false, 0.1, 1.3),
          new Cost("emitted", false, 0.25, 1.1));

  private SparseCosts() {}

  static Verdict verdict(String provider, Sparse weight) {
    long all = (long) weight.rows() * weight.columns();
    double density = (double) weight.mask().kept() / all;
    if (provider.equals("scalar")) {
      return new Verdict(false, "plain Java gains nothing by leaving out zeros");
    }
    if (all < LEAST) {
      return new Verdict(false, "so small a weight stays in a cache");
    }
    boolean wide =
        weight.encoding().values() instanceof Encoding.Grouped(var scheme, _, _)
            && scheme.bits() > 4;
    double times = times(provider, wide, density);
    var speed =
        "with %.0f %% zeros it is %.1f times as fast as dense"
            .formatted(100 * (1 - density), times);
    if (times >= WORTH) {
      return new Verdict(true, speed);
    }
    return new Verdict(
        false,
        times == 0
            ? "with %.0f %% zeros that is faster".formatted(100 * (1 - density))
            : "without its %.0f %% zeros it is %.1f times as fast"
                .formatted(100 * (1 - density), times));
  }

  /** Between two that were measured, in proportion; 0 beyond the densest. */
  private static double times(String provider, boolean wide, double density) {
    var costs =
        COSTS.stream()
            .filter(cost -> cost.provider().equals(provider) && cost.wide() == wide)
            .sorted(Comparator.comparingDouble(Cost::density))
            .toList();
    Cost below = null;
    for (var cost : costs) {
      if (density <= cost.density()) {
        if (below == null) {
          return cost.times();
        }
        double share = (density - below.density()) / (cost.density() - below.density());
        return below.times() + share * (cost.times() - below.times());
      }
      below = cost;
    }
    return 0;
  }
}

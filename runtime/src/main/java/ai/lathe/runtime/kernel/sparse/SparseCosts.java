package ai.lathe.runtime.kernel.sparse;

import ai.lathe.runtime.kernel.sparse.SparseChoice.Verdict;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.Sparse;
import java.util.Comparator;
import java.util.List;

/**
 * How many times as fast sparse weights are without their zeros as with them, measured:
 *
 * <pre>
 * tools/bench SparseKernels 2 2048 131072 1 int8 unstructured,2:4 50%,75%
 * tools/bench SparseKernels 2 2048 131072 1 int8 16x4 50%,70%,80%,90%
 * tools/bench SparseKernels 2 2048 4096 1 512 F32,BF16 32x1 30%,50%,70% vector
 * </pre>
 *
 * on an Intel Xeon with AVX-512 VNNI and VBMI2, 2 cores. The first two have one token and weights
 * in memory; codes of many tokens are spread out once for all and multiplied by the dense kernels.
 * Of floats it is the smaller gain of one token and of many. What is denser than all that was
 * measured is executed dense.
 */
final class SparseCosts {

  /**
   * Weights that are worth the trouble: fewer stay in a cache, where masks cost more than bytes.
   */
  private static final long LEAST = 1 << 20;

  /** By so much a share may be above a measured one: methods round it row by row. */
  private static final double NEAR = 0.02;

  /** What a choice has to gain. */
  private static final double WORTH = 1.05;

  /** What dense weights are. */
  private enum Values {
    /** Codes of more than 4 bits: a byte each. */
    BYTES,
    /** Codes of at most 4 bits. */
    NIBBLES,
    /** Bytes of which whole blocks of 16 rows and 4 columns are left out. */
    BLOCKS,
    /** Floats of which columns of some rows together are left out. */
    PANELS,
    WORDS,
    HALVES
  }

  /**
   * @param density the share of weights that are there
   * @param times as fast as dense, one token
   */
  private record Cost(String provider, Values values, double density, double times) {}

  private static final List<Cost> COSTS =
      List.of(
          new Cost("vector", Values.BYTES, 0.25, 1.6),
          new Cost("vector", Values.BYTES, 0.5, 1.15),
          new Cost("emitted", Values.BYTES, 0.25, 2.2),
          new Cost("emitted", Values.BYTES, 0.5, 1.4),
          new Cost("vector", Values.BLOCKS, 0.1, 7.3),
          new Cost("vector", Values.BLOCKS, 0.2, 3.9),
          new Cost("vector", Values.BLOCKS, 0.3, 2.7),
          new Cost("vector", Values.BLOCKS, 0.5, 1.6),
          new Cost("emitted", Values.BLOCKS, 0.1, 9.2),
          new Cost("emitted", Values.BLOCKS, 0.2, 4.7),
          new Cost("emitted", Values.BLOCKS, 0.3, 3.3),
          new Cost("emitted", Values.BLOCKS, 0.5, 1.9),
          new Cost("vector", Values.PANELS, 0.3, 2.4),
          new Cost("vector", Values.PANELS, 0.5, 1.6),
          new Cost("vector", Values.PANELS, 0.7, 1.2));

  private SparseCosts() {}

  static Verdict verdict(String provider, Sparse weight, SparseForm form) {
    long all = (long) weight.rows() * weight.columns();
    if (provider.equals("scalar")) {
      return new Verdict(false, "plain Java gains nothing by leaving out zeros");
    }
    if (all < LEAST) {
      return new Verdict(false, "so small a weight stays in a cache");
    }
    double density = form.share();
    var values =
        switch (form.kind()) {
          case BLOCKS -> Values.BLOCKS;
          case PANELS -> Values.PANELS;
          case MASKED_FLOATS ->
              ((Sparse.Values.Floats) weight.values()).kept().dtype() == DType.F32
                  ? Values.WORDS
                  : Values.HALVES;
          case MASKED_CODES ->
              ((Encoding.Grouped) weight.encoding().values()).scheme().bits() > 4
                  ? Values.BYTES
                  : Values.NIBBLES;
        };
    double times = times(provider, values, density);
    var speed =
        "with %.0f %% zeros it is %.1f times as fast as dense"
            .formatted(100 * (1 - density), times);
    if (times >= WORTH) {
      return new Verdict(true, speed);
    }
    return new Verdict(
        false,
        times == 0
            ? "with %.0f %% zeros that is not known to be slower".formatted(100 * (1 - density))
            : "without its %.0f %% zeros it is %.1f times as fast"
                .formatted(100 * (1 - density), times));
  }

  /** Between two that were measured, in proportion; 0 beyond the densest. */
  private static double times(String provider, Values values, double density) {
    var costs =
        COSTS.stream()
            .filter(cost -> cost.provider().equals(provider) && cost.values() == values)
            .sorted(Comparator.comparingDouble(Cost::density))
            .toList();
    Cost below = null;
    for (var cost : costs) {
      if (density <= cost.density() + NEAR) {
        if (below == null) {
          return cost.times();
        }
        double share =
            (Math.min(density, cost.density()) - below.density())
                / (cost.density() - below.density());
        return below.times() + share * (cost.times() - below.times());
      }
      below = cost;
    }
    return 0;
  }
}

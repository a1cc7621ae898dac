package ai.lathe.runtime.kernel.sparse;

import ai.lathe.runtime.kernel.sparse.SparseChoice.Verdict;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.Sparse;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.LongPredicate;

/**
 * How many times as fast sparse weights are without their zeros as with them, measured:
 *
 * <pre>
 * tools/bench SparseKernels 2 2048 131072 1 int8 unstructured,2:4 50%,75%
 * tools/bench SparseKernels 2 2048 16384 8 512 int8,int8g32 unstructured 50%
 * tools/bench SparseKernels 2 2048 131072 1 int8 16x4 50%,70%,80%,90%
 * tools/bench SparseKernels 2 2048 4096 1 512 F32,BF16 32x1 30%,50%,70% vector
 * tools/bench SparseKernels 2 2048 32768 1 8 512 F32,BF16 unstructured 50%,75% vector
 * </pre>
 *
 * on an Intel Xeon with AVX-512 VNNI and VBMI2, 2 cores. One token reads weights from memory; those
 * of many tokens fit a last-level cache, which is the worst case for masks. What was not measured:
 * groups with one token, which have channels' figures; with many, 75 % zeros, which have those of
 * 50 %, and blocks, which have none; panels with 8 tokens, which have those of 512. Figures of
 * bfloat16 with masks at 75 % zeros, and with 512 tokens, are of one thread. What is denser than
 * all that was measured is executed dense.
 */
final class SparseCosts {

  /**
   * Weights that are worth the trouble: fewer stay in a cache, where masks cost more than bytes.
   */
  private static final long LEAST = 1 << 20;

  /**
   * Columns below which a row of floats with a mask takes longer than with its zeros: 0.6 times as
   * fast with 682 ({@code SparseKernels 1 682 65536 1 F32 unstructured 50%}).
   */
  private static final int SHORT = 1024;

  /** By so much a share may be above a measured one: methods round it row by row. */
  private static final double NEAR = 0.02;

  /** What a choice has to gain for one token. */
  private static final double WORTH = 1.05;

  /** What it may lose for others. */
  private static final double LOSS = 0.98;

  /** Tokens that were measured as few. */
  private static final int FEW = 8;

  /** What weights are. */
  private enum Values {
    /** Codes of more than 4 bits by channel: a byte each. */
    BYTES,
    /** Likewise in groups. */
    GROUPS,
    /** Codes of at most 4 bits. */
    NIBBLES,
    /** Bytes of which whole blocks of 16 rows and 4 columns are left out. */
    BLOCKS,
    /** Float32 with masks. */
    WORDS,
    /** Bfloat16 with masks. */
    HALVES,
    /** Float16 with masks. */
    FLOAT16,
    /** Floats of which columns of some rows together are left out. */
    PANELS
  }

  /**
   * @param density the share of weights that are there
   * @param one times as fast as dense, one token
   * @param few likewise, {@link #FEW} tokens; 0 where that is not known
   * @param many likewise, 512 tokens
   */
  private record Cost(
      String provider, Values values, double density, double one, double few, double many) {

    static Cost between(Cost below, Cost above, double density) {
      double share = (density - below.density) / (above.density - below.density);
      return new Cost(
          below.provider,
          below.values,
          density,
          below.one + share * (above.one - below.one),
          below.few + share * (above.few - below.few),
          below.many + share * (above.many - below.many));
    }

    /** Most tokens for which it is not slower, as far as is known. */
    int most() {
      return few < LOSS ? 1 : many < LOSS ? FEW : Integer.MAX_VALUE;
    }
  }

  private static final List<Cost> COSTS =
      List.of(
          new Cost("vector", Values.BYTES, 0.25, 1.6, 0.9, 1.0),
          new Cost("vector", Values.BYTES, 0.5, 1.15, 0.9, 1.0),
          new Cost("vector", Values.GROUPS, 0.25, 1.6, 1.1, 1.0),
          new Cost("vector", Values.GROUPS, 0.5, 1.15, 1.1, 1.0),
          new Cost("emitted", Values.BYTES, 0.25, 2.2, 0.9, 0.96),
          new Cost("emitted", Values.BYTES, 0.5, 1.4, 0.9, 0.96),
          new Cost("emitted", Values.GROUPS, 0.25, 2.2, 0.8, 1.0),
          new Cost("emitted", Values.GROUPS, 0.5, 1.4, 0.8, 1.0),
          new Cost("vector", Values.BLOCKS, 0.1, 7.3, 0, 0),
          new Cost("vector", Values.BLOCKS, 0.2, 3.9, 0, 0),
          new Cost("vector", Values.BLOCKS, 0.3, 2.7, 0, 0),
          new Cost("vector", Values.BLOCKS, 0.5, 1.6, 0, 0),
          new Cost("emitted", Values.BLOCKS, 0.1, 9.2, 0, 0),
          new Cost("emitted", Values.BLOCKS, 0.2, 4.7, 0, 0),
          new Cost("emitted", Values.BLOCKS, 0.3, 3.3, 0, 0),
          new Cost("emitted", Values.BLOCKS, 0.5, 1.9, 0, 0),
          new Cost("vector", Values.WORDS, 0.25, 2.2, 1.3, 0.98),
          new Cost("vector", Values.WORDS, 0.5, 1.35, 1.05, 0.98),
          new Cost("vector", Values.HALVES, 0.25, 1.85, 0.8, 0.96),
          new Cost("vector", Values.HALVES, 0.5, 1.45, 0.8, 0.96),
          new Cost("vector", Values.PANELS, 0.3, 2.4, 2.4, 2.4),
          new Cost("vector", Values.PANELS, 0.5, 1.6, 1.6, 1.6),
          new Cost("vector", Values.PANELS, 0.7, 1.2, 1.2, 1.2));

  /** Whether there is memory for so many bytes that are held twice. */
  private final LongPredicate room;

  SparseCosts(LongPredicate room) {
    this.room = room;
  }

  Verdict verdict(String provider, Sparse weight, SparseForm form) {
    long all = (long) weight.rows() * weight.columns();
    if (provider.equals("scalar")) {
      return Verdict.dense("plain Java gains nothing by leaving out zeros");
    }
    if (all < LEAST) {
      return Verdict.dense("so small a weight stays in a cache");
    }
    if (isShort(weight, form)) {
      return Verdict.dense("rows of %d are too short for masks".formatted(weight.columns()));
    }
    long zeros = Math.round(100 * (1 - form.share()));
    var cost = cost(provider, values(weight, form), form.share());
    if (cost.isEmpty()) {
      return Verdict.dense("with %d %% zeros that is not known to be slower".formatted(zeros));
    }
    double times = cost.get().one();
    if (times < WORTH) {
      return Verdict.dense(
          "without its %d %% zeros it is %.1f times as fast".formatted(zeros, times));
    }
    var why = "with %d %% zeros it is %.1f times as fast as dense".formatted(zeros, times);
    int most = cost.get().most();
    if (most == Integer.MAX_VALUE
        || room.test(weight.encoding().values().bytes(weight.rows(), weight.columns()))) {
      return Verdict.sparse(most, why);
    }
    return Verdict.sparse(
        Integer.MAX_VALUE,
        why + " for one token; there is no memory to hold it with its zeros too, for more");
  }

  /** For one token; 1 where {@link #verdict} is to execute it dense. */
  static double times(String provider, Sparse weight, SparseForm form) {
    return (long) weight.rows() * weight.columns() < LEAST || isShort(weight, form)
        ? 1
        : cost(provider, values(weight, form), form.share())
            .map(Cost::one)
            .filter(one -> one >= WORTH)
            .orElse(1.0);
  }

  private static boolean isShort(Sparse weight, SparseForm form) {
    return form.kind() == SparseForm.Kind.MASKED_FLOATS && weight.columns() < SHORT;
  }

  private static Values values(Sparse weight, SparseForm form) {
    return switch (form.kind()) {
      case BLOCKS -> Values.BLOCKS;
      case PANELS -> Values.PANELS;
      case MASKED_FLOATS ->
          switch (((Sparse.Values.Floats) weight.values()).kept().dtype()) {
            case F32 -> Values.WORDS;
            case BF16 -> Values.HALVES;
            default -> Values.FLOAT16;
          };
      case MASKED_CODES -> {
        var scheme = ((Encoding.Grouped) weight.encoding().values()).scheme();
        yield scheme.bits() <= 4
            ? Values.NIBBLES
            : scheme.groupSize() == IntegerScheme.CHANNEL ? Values.BYTES : Values.GROUPS;
      }
    };
  }

  /** Between two that were measured, in proportion; none beyond the densest. */
  private static Optional<Cost> cost(String provider, Values values, double density) {
    var costs =
        COSTS.stream()
            .filter(cost -> cost.provider().equals(provider) && cost.values() == values)
            .sorted(Comparator.comparingDouble(Cost::density))
            .toList();
    Cost below = null;
    for (var cost : costs) {
      if (density <= cost.density() + NEAR) {
        return Optional.of(
            below == null ? cost : Cost.between(below, cost, Math.min(density, cost.density())));
      }
      below = cost;
    }
    return Optional.empty();
  }
}

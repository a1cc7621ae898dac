package ai.lathe.runtime.kernel.composite;

import ai.lathe.runtime.kernel.composite.ProductChoice.Verdict;
import ai.lathe.runtime.kernel.sparse.SparseChoice;
import ai.lathe.runtime.kernel.sparse.SparseForm;
import ai.lathe.runtime.kernel.sparse.SparsePacking;
import ai.lathe.tensor.BlockDiagonal;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.ModeMatrix;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.Rotated;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Sum;
import ai.lathe.tensor.Tensor;
import java.util.List;
import java.util.Optional;
import java.util.function.LongPredicate;

/**
 * What a multiplication costs in the kernels of factors, beside one of a float32 weight, which is
 * what a product is multiplied out to; measured:
 *
 * <pre>
 * tools/bench FactorCosts 1 320 vector,emitted
 * tools/bench FactorCosts 2 320 vector,emitted handover
 * </pre>
 *
 * on an Intel Xeon with AVX-512, weights in memory. What a provider has no figures of, plain Java
 * above all, costs as much as a float32 weight.
 */
final class ProductCosts {

  /** Numbers of tokens that were measured. */
  private static final int ONE = 0;

  private static final int FEW = 1;
  private static final int MANY = 2;

  /** Tokens of {@link #FEW}. */
  private static final int MOST_FEW = 8;

  /** What runs a factor. */
  private enum Kernel {
    /** Stored floats, row by row. */
    F32,
    BF16,
    F16,
    /** Short rows, as float32 in panels. */
    SHORT,
    /** Blocks along a diagonal, likewise. */
    DIAGONAL,
    /** Blocks along an index, a matrix each. */
    BLOCKS,
    /** Likewise of codes. */
    BLOCKS_INT8,
    BLOCKS_INT4,
    /** Blocks along an index, lanes along another. */
    MODES,
    /** Codes of more than 4 bits, and of at most 4. */
    INT8,
    INT4
  }

  /**
   * @param one times as long as a float32 weight, one token
   * @param few likewise, 8 tokens
   * @param many likewise, 512 tokens
   */
  private record Cost(String provider, Kernel kernel, double one, double few, double many) {

    double of(int tokens) {
      return switch (tokens) {
        case ONE -> one;
        case FEW -> few;
        default -> many;
      };
    }
  }

  private static final List<Cost> COSTS =
      List.of(
          new Cost("vector", Kernel.F32, 1.1, 0.95, 1.05),
          new Cost("vector", Kernel.BF16, 0.67, 0.95, 1.0),
          new Cost("vector", Kernel.F16, 1.0, 0.9, 1.0),
          new Cost("vector", Kernel.SHORT, 1.45, 0.95, 2.6),
          new Cost("vector", Kernel.DIAGONAL, 1.5, 1.1, 8),
          new Cost("vector", Kernel.BLOCKS, 1.3, 1.0, 1.55),
          new Cost("vector", Kernel.BLOCKS_INT8, 0.5, 0.75, 1.95),
          new Cost("vector", Kernel.BLOCKS_INT4, 0.37, 0.7, 2.0),
          new Cost("vector", Kernel.MODES, 1.2, 2.5, 12),
          new Cost("vector", Kernel.INT8, 0.7, 0.6, 0.95),
          new Cost("vector", Kernel.INT4, 0.3, 0.55, 1.05),
          new Cost("emitted", Kernel.F32, 1.0, 1.0, 1.0),
          new Cost("emitted", Kernel.BF16, 0.62, 0.65, 1.0),
          new Cost("emitted", Kernel.F16, 0.61, 0.93, 1.0),
          new Cost("emitted", Kernel.INT8, 0.32, 0.15, 0.26),
          new Cost("emitted", Kernel.INT4, 0.18, 0.08, 0.25),
          new Cost("emitted", Kernel.BLOCKS_INT8, 0.32, 0.2, 0.85),
          new Cost("emitted", Kernel.BLOCKS_INT4, 0.2, 0.16, 0.85));

  /** Float32 weights that are multiplied while threads change from one factor to the next. */
  private static final double[] HAND_OVER = {10_000, 5_000, 250};

  /** Whether there is memory for so many bytes that are held twice. */
  private final LongPredicate room;

  ProductCosts(LongPredicate room) {
    this.room = room;
  }

  Verdict verdict(String provider, Product product) {
    double dense = (double) product.rows() * product.columns();
    double one = dense / cost(provider, product, ONE);
    double few = dense / cost(provider, product, FEW);
    double many = dense / cost(provider, product, MANY);
    boolean forOne = one >= 1;
    boolean forMany = many >= 1;
    var speed = "with one token factors are %.1f times as fast as multiplied out".formatted(one);
    if (forOne == forMany) {
      return new Verdict(forOne, forMany, MOST_FEW, speed);
    }
    if (!room.test(DType.F32.bytes((long) dense))) {
      return new Verdict(
          true, true, MOST_FEW, speed + "; there is no memory to hold it multiplied out too");
    }
    boolean forFew = few >= 1;
    return new Verdict(
        forOne,
        forMany,
        forFew == forOne ? MOST_FEW : 1,
        speed + ", with 512 %.1f times".formatted(many));
  }

  /** In float32 weights, of the same number of tokens. */
  static double cost(String provider, Product product, int tokens) {
    double cost = 0;
    int count = tokens == ONE ? 1 : tokens == FEW ? MOST_FEW : 512;
    var factors = product.factors();
    for (int i = 0; i < factors.size(); i++) {
      cost += cost(provider, factors.get(i), i < factors.size() - 1, tokens);
      if (i > 0 && ProductMatrix.shared(Composites.multiplications(factors.get(i)), count)) {
        cost += HAND_OVER[tokens];
      }
    }
    return cost;
  }

  /**
   * @param before whether other factors stand behind it
   */
  private static double cost(String provider, LinearWeight factor, boolean before, int tokens) {
    return switch (factor) {
      case Product product -> cost(provider, product, tokens);
      case Sum sum ->
          sum.parts().stream().mapToDouble(part -> cost(provider, part, before, tokens)).sum();
      case Rotated(_, LinearWeight inner) -> cost(provider, inner, before, tokens);
      case Sparse sparse -> {
        double all = Composites.multiplications(factor) / SparsePacking.share(sparse);
        double times = tokens == ONE ? SparseChoice.times(provider, sparse, form(sparse)) : 1;
        yield all / times * times(provider, kernel(sparse), tokens);
      }
      default ->
          Composites.multiplications(factor) * times(provider, kernel(factor, before), tokens);
    };
  }

  private static SparseForm form(Sparse sparse) {
    return sparse.values() instanceof Sparse.Values.Floats
        ? new SparseForm(SparseForm.Kind.MASKED_FLOATS, SparsePacking.share(sparse))
        : SparsePacking.form(sparse);
  }

  private static Kernel kernel(LinearWeight factor, boolean before) {
    return switch (factor) {
      case Dense _ when before && factor.columns() <= Composites.SHORT -> Kernel.SHORT;
      case Dense(Tensor tensor) -> kernel(tensor.dtype());
      case GroupQuantized quantized -> kernel(quantized.scheme());
      case BlockDiagonal _ -> Kernel.DIAGONAL;
      case ModeMatrix modes when BlockMatrices.suits(modes) ->
          modes.blocks() instanceof GroupQuantized codes
              ? codes.scheme().bits() <= 4 ? Kernel.BLOCKS_INT4 : Kernel.BLOCKS_INT8
              : Kernel.BLOCKS;
      case ModeMatrix modes -> modes.inner() == 1 ? Kernel.DIAGONAL : Kernel.MODES;
      // Decoded.
      default -> Kernel.F32;
    };
  }

  /** Where its zeros are multiplied. */
  private static Kernel kernel(Sparse sparse) {
    return switch (sparse.values()) {
      case Sparse.Values.Floats(Tensor kept) -> kernel(kept.dtype());
      case Sparse.Values.Codes _ -> Kernel.INT8;
    };
  }

  private static Kernel kernel(DType type) {
    return switch (type) {
      case BF16 -> Kernel.BF16;
      case F16 -> Kernel.F16;
      default -> Kernel.F32;
    };
  }

  private static Kernel kernel(IntegerScheme scheme) {
    return scheme.bits() <= 4 ? Kernel.INT4 : Kernel.INT8;
  }

  /** What is not written in machine code, the vector unit runs. */
  private static double times(String provider, Kernel kernel, int tokens) {
    var found = find(provider, kernel).or(() -> find(beside(provider), kernel));
    return found.map(cost -> cost.of(tokens)).orElse(1.0);
  }

  private static String beside(String provider) {
    return provider.equals("emitted") ? "vector" : provider;
  }

  private static Optional<Cost> find(String provider, Kernel kernel) {
    return COSTS.stream()
        .filter(cost -> cost.provider().equals(provider) && cost.kernel() == kernel)
        .findFirst();
  }
}

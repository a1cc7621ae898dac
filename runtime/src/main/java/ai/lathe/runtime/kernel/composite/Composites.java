package ai.lathe.runtime.kernel.composite;

import ai.lathe.runtime.kernel.ByTokens;
import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.tensor.BilevelQuantized;
import ai.lathe.tensor.BlockDiagonal;
import ai.lathe.tensor.BlockQuantized;
import ai.lathe.tensor.CodebookQuantized;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.FloatQuantized;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.ModeMatrix;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.Rotated;
import ai.lathe.tensor.SignedLowRank;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.SparseRows;
import ai.lathe.tensor.Sum;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Packs weights that are made of others: whatever provider it is, the same way. */
public final class Composites {

  /** Rows of a factor up to which lanes are rows: their sums would take longer than they do. */
  public static final int SHORT = 128;

  private final KernelProvider provider;
  private final Arena arena;
  private final ProductChoice choice;

  private Composites(KernelProvider provider, Arena arena, ProductChoice choice) {
    this.provider = provider;
    this.arena = arena;
    this.choice = choice;
  }

  /**
   * A {@link Product} or {@link Sum} as what it is; empty for a sum none of whose parts has a
   * kernel, which is decoded like every weight without one, and for all that is not made of others.
   *
   * @param provider of the parts
   */
  public static Optional<PackedMatrix> of(
      KernelProvider provider, LinearWeight weight, Arena arena) {
    return of(provider, weight, arena, ProductChoice.MEASURED);
  }

  /**
   * @param choice how products are executed, but for those that are parts of others
   */
  static Optional<PackedMatrix> of(
      KernelProvider provider, LinearWeight weight, Arena arena, ProductChoice choice) {
    var composites = new Composites(provider, arena, choice);
    return switch (weight) {
      case Product product -> Optional.of(composites.product(product));
      case Sum sum -> composites.sum(sum);
      default -> Optional.empty();
    };
  }

  /** Factor by factor, from the last, or multiplied out; or both, for few tokens and for many. */
  private PackedMatrix product(Product product) {
    var verdict = choice.verdict(provider.name(), product);
    if (verdict.heldTwice()) {
      var factors = factors(product);
      var dense = multipliedOut(product);
      var both =
          verdict.few()
              ? new ByTokens(factors, dense, verdict.most())
              : new ByTokens(dense, factors, verdict.most());
      return new Named(both, "%s; because %s".formatted(both.label(), verdict.why()));
    }
    var matrix = verdict.few() ? factors(product) : multipliedOut(product);
    return new Named(matrix, "%s; because %s".formatted(matrix.label(), verdict.why()));
  }

  private PackedMatrix multipliedOut(Product product) {
    var dense = provider.prepare(Dense.of(product.decode()), arena);
    var label = "%s multiplied out: %s".formatted(product.encoding().label(), dense.label());
    return new Named(dense, label);
  }

  private PackedMatrix factors(Product product) {
    var factors = product.factors();
    var packed = provider.prepare(factors.getLast(), arena);
    for (int i = factors.size() - 2; i >= 0; i--) {
      var first = provider.prepareFactor(factors.get(i), arena);
      packed = new ProductMatrix(first, packed, multiplications(factors.get(i + 1)));
    }
    return packed;
  }

  /**
   * Parts without a kernel of their own are decoded together, to one matrix: once for all of them
   * is no more work than for one.
   */
  private Optional<PackedMatrix> sum(Sum sum) {
    var own = new ArrayList<LinearWeight>();
    var decoded = new ArrayList<LinearWeight>();
    split(sum, own, decoded);
    if (own.isEmpty()) {
      return Optional.empty();
    }
    var parts = new ArrayList<PackedMatrix>();
    own.forEach(part -> parts.add(provider.prepare(part, arena)));
    if (!decoded.isEmpty()) {
      parts.add(
          provider.prepare(decoded.size() == 1 ? decoded.getFirst() : new Sum(decoded), arena));
    }
    return Optional.of(
        parts.size() == 1 ? parts.getFirst() : new SumMatrix(parts, provider.rows()));
  }

  private static void split(Sum sum, List<LinearWeight> own, List<LinearWeight> decoded) {
    for (var part : sum.parts()) {
      if (part instanceof Sum inner) {
        split(inner, own, decoded);
      } else {
        (runs(part) ? own : decoded).add(part);
      }
    }
  }

  /** Whether providers have kernels for it. */
  private static boolean runs(LinearWeight weight) {
    return switch (weight) {
      case Dense _,
          GroupQuantized _,
          BlockQuantized _,
          FloatQuantized _,
          Sparse _,
          BlockDiagonal _,
          ModeMatrix _,
          Product _ ->
          true;
      case Rotated(_, LinearWeight inner) -> runs(inner);
      case CodebookQuantized _, BilevelQuantized _, SparseRows _, SignedLowRank _, Sum _ -> false;
    };
  }

  /** Of one token. */
  static double multiplications(LinearWeight weight) {
    return switch (weight) {
      case Product product ->
          product.factors().stream().mapToDouble(Composites::multiplications).sum();
      case Sum sum -> sum.parts().stream().mapToDouble(Composites::multiplications).sum();
      case BlockDiagonal diagonal -> diagonal.blocks().elements();
      case ModeMatrix modes -> (double) modes.outer() * modes.inner() * modes.high() * modes.wide();
      case Sparse sparse -> sparse.mask().kept();
      default -> (double) weight.rows() * weight.columns();
    };
  }
}

package ai.lathe.runtime.kernel.vector;

import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.sparse.MaskedRows;
import ai.lathe.runtime.kernel.sparse.SparseForm;
import ai.lathe.runtime.kernel.sparse.SparsePacking;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Optional;

/** Which sparse weights have kernels here, and of which form. */
final class SparseMatrices {

  /** Floats in panels that keep more are no faster for it. */
  private static final double MOST = 0.9;

  /**
   * So many times what masks would keep, panels may: they make many tokens cheaper too. It is what
   * blocks of half a panel's rows come to at most.
   */
  private static final double MORE = 2;

  private SparseMatrices() {}

  /** What kernels would read of a weight that has them. */
  static SparseForm form(Sparse weight) {
    if (!(weight.values() instanceof Sparse.Values.Floats)) {
      return SparsePacking.form(weight);
    }
    double kept = SparsePacking.share(weight);
    double columns = SparsePanels.share(weight.mask());
    return columns <= Math.min(MOST, MORE * kept)
        ? new SparseForm(SparseForm.Kind.PANELS, columns)
        : new SparseForm(SparseForm.Kind.MASKED_FLOATS, kept);
  }

  /** Why a weight has none, in half a sentence; empty where it has one. */
  static Optional<String> refusal(Sparse weight) {
    if (weight.values() instanceof Sparse.Values.Floats(Tensor kept)) {
      return switch (kept.dtype()) {
        case F32, BF16, F16 -> Optional.empty();
        default -> Optional.of("there is no kernel for " + kept.dtype());
      };
    }
    return SparsePacking.layout(weight).isEmpty()
        ? Optional.of("there is no kernel for " + weight.encoding().values().label())
        : Expansion.refusal();
  }

  /** A weight of floats without its zeros. */
  static PackedMatrix floats(Sparse weight, SparseForm form, Arena arena) {
    return form.kind() == SparseForm.Kind.PANELS
        ? new SparsePanels(weight, arena)
        : new FloatMatrix(
            new MaskedFloatRows(MaskedRows.of(weight, arena), Expansion.refusal().isEmpty()));
  }
}

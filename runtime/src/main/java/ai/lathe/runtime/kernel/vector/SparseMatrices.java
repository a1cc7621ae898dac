package ai.lathe.runtime.kernel.vector;

import ai.lathe.runtime.kernel.sparse.SparsePacking;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Tensor;
import java.util.Optional;

/** Which sparse weights have kernels here. */
final class SparseMatrices {

  private SparseMatrices() {}

  /** Floats in panels that keep more are no faster for it. */
  private static final double MOST = 0.9;

  /** Why a weight has none, in half a sentence; empty where it has one. */
  static Optional<String> refusal(Sparse weight) {
    if (weight.values() instanceof Sparse.Values.Floats(Tensor kept)) {
      return switch (kept.dtype()) {
        case F32, BF16, F16 ->
            SparsePanels.share(weight.mask()) <= MOST
                ? Optional.empty()
                : Optional.of(
                    "few columns are zero in %d rows together".formatted(PanelKernel.WIDTH));
        default -> Optional.of("there is no kernel for " + kept.dtype());
      };
    }
    return SparsePacking.layout(weight).isEmpty()
        ? Optional.of("there is no kernel for " + weight.encoding().values().label())
        : Expansion.refusal();
  }
}

package ai.lathe.runtime.kernel.vector;

import ai.lathe.runtime.kernel.sparse.SparsePacking;
import ai.lathe.tensor.Sparse;
import java.util.Optional;

/** Which sparse weights have kernels here. */
final class SparseMatrices {

  private SparseMatrices() {}

  /** Why a weight has none, in half a sentence; empty where it has one. */
  static Optional<String> refusal(Sparse weight) {
    return SparsePacking.layout(weight).isEmpty()
        ? Optional.of("there is no kernel for " + weight.encoding().values().label())
        : Expansion.refusal();
  }
}

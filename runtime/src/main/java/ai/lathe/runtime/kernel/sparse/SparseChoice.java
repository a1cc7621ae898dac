package ai.lathe.runtime.kernel.sparse;

import ai.lathe.tensor.Sparse;
import java.util.Optional;

/** Whether a sparse weight is executed without its zeros. */
@FunctionalInterface
public interface SparseChoice {

  /** Without, wherever there is a kernel: to measure and to test these. */
  SparseChoice ALWAYS = (_, _) -> Optional.empty();

  /**
   * Why a weight is executed with its zeros, in half a sentence; empty where without.
   *
   * @param provider {@code scalar}, {@code vector} or {@code emitted}
   */
  Optional<String> dense(String provider, Sparse weight);
}

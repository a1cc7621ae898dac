package ai.lathe.runtime.kernel.sparse;

import ai.lathe.tensor.Sparse;

/** Whether a sparse weight that a provider has a kernel for is executed without its zeros. */
@FunctionalInterface
public interface SparseChoice {

  /** Without, wherever there is a kernel: to measure and to test these. */
  SparseChoice ALWAYS = (_, _, _) -> new Verdict(true, "that was asked for");

  /** By {@link SparseCosts}. */
  SparseChoice MEASURED = SparseCosts::verdict;

  /**
   * @param sparse whether without its zeros
   * @param why half a sentence
   */
  record Verdict(boolean sparse, String why) {}

  /**
   * @param provider {@code scalar}, {@code vector} or {@code emitted}
   * @param form in which it would be executed
   */
  Verdict verdict(String provider, Sparse weight, SparseForm form);
}

package ai.lathe.runtime.kernel.sparse;

import ai.lathe.runtime.kernel.memory.FreeMemory;
import ai.lathe.tensor.Sparse;

/** Whether a sparse weight that a provider has a kernel for is executed without its zeros. */
@FunctionalInterface
public interface SparseChoice {

  /** Without, wherever there is a kernel: to measure and to test these. */
  SparseChoice ALWAYS = (_, _, _) -> Verdict.sparse(Integer.MAX_VALUE, "that was asked for");

  /** By {@link SparseCosts}. */
  SparseChoice MEASURED = new SparseCosts(FreeMemory::holds)::verdict;

  /**
   * @param sparse whether without its zeros, for one token
   * @param most tokens for which likewise
   * @param why half a sentence
   */
  record Verdict(boolean sparse, int most, String why) {

    /** With its zeros. */
    public static Verdict dense(String why) {
      return new Verdict(false, 0, why);
    }

    /** Without its zeros, up to so many tokens. */
    public static Verdict sparse(int most, String why) {
      return new Verdict(true, most, why);
    }

    /** Whether the weight is held without its zeros, and with them for more tokens. */
    boolean heldTwice() {
      return sparse && most < Integer.MAX_VALUE;
    }
  }

  /**
   * How many times as fast a weight is without its zeros, by {@link #MEASURED} for one token; 1
   * where it is executed with them.
   */
  static double times(String provider, Sparse weight, SparseForm form) {
    return SparseCosts.times(provider, weight, form);
  }

  /**
   * @param provider {@code scalar}, {@code vector} or {@code emitted}
   * @param form in which it would be executed
   */
  Verdict verdict(String provider, Sparse weight, SparseForm form);
}

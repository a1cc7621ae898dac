package ai.lathe.runtime.kernel.composite;

import ai.lathe.runtime.kernel.memory.FreeMemory;
import ai.lathe.tensor.Product;

/**
 * With how many tokens a product is executed factor by factor, and with how many multiplied out.
 */
@FunctionalInterface
interface ProductChoice {

  /** By {@link ProductCosts}. */
  ProductChoice MEASURED = new ProductCosts(FreeMemory::holds)::verdict;

  /**
   * @param few whether factor by factor, up to {@code most} tokens
   * @param many likewise with more
   * @param most tokens that are few; of no meaning where both are the same
   * @param why half a sentence
   */
  record Verdict(boolean few, boolean many, int most, String why) {

    boolean heldTwice() {
      return few != many;
    }
  }

  /**
   * @param provider {@code scalar}, {@code vector} or {@code emitted}
   */
  Verdict verdict(String provider, Product product);
}

package ai.lathe.runtime.kernel.vector;

import ai.lathe.runtime.kernel.sparse.SparseStripes;
import java.lang.foreign.MemorySegment;

/**
 * A stripe of {@link SparseStripes}, cut out once: within, positions are ints, and no product
 * allocates a slice.
 *
 * @param heads masks, then sides
 * @param kept codes that are there; a vector may be read from the end of the last one
 */
record MaskedStripe(MemorySegment heads, MemorySegment kept) {

  static MaskedStripe[] all(SparseStripes stripes) {
    var all = new MaskedStripe[stripes.count()];
    for (int s = 0; s < all.length; s++) {
      long at = stripes.stripeAt(s);
      long values = stripes.codesAt();
      long end =
          Math.min(stripes.stripeAt(s + 1) + SparseStripes.SLACK, stripes.codes().byteSize());
      var heads = stripes.codes().asSlice(at, values);
      all[s] = new MaskedStripe(heads, stripes.codes().asSlice(at + values, end - at - values));
    }
    return all;
  }
}

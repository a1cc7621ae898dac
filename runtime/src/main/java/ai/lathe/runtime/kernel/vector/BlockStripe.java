package ai.lathe.runtime.kernel.vector;

import ai.lathe.runtime.kernel.sparse.UnitStripes;
import java.lang.foreign.MemorySegment;

/**
 * A stripe of {@link UnitStripes}, cut out once: within, positions are ints, and no product
 * allocates a slice.
 *
 * @param count of blocks, a multiple of {@link UnitStripes#TURN}
 * @param indices {@code [count]}, of 16 bits
 * @param kept the blocks
 */
record BlockStripe(int count, MemorySegment indices, MemorySegment kept) {

  static BlockStripe[] all(UnitStripes stripes) {
    var all = new BlockStripe[stripes.count()];
    var codes = stripes.codes();
    for (int s = 0; s < all.length; s++) {
      long at = stripes.stripeAt(s);
      int turns = UnitStripes.turns(codes, at);
      int count = turns * UnitStripes.TURN;
      var indices = codes.asSlice(at + UnitStripes.INDICES, 2L * count);
      long blocks = at + UnitStripes.blocksAt(turns);
      all[s] =
          new BlockStripe(count, indices, codes.asSlice(blocks, (long) UnitStripes.BLOCK * count));
    }
    return all;
  }
}

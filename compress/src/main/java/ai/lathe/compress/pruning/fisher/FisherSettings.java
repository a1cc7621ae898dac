package ai.lathe.compress.pruning.fisher;

import ai.lathe.tensor.LatheException;
import java.util.Optional;
import java.util.OptionalDouble;

/** What the settings of the methods have in common. */
final class FisherSettings {

  private static final int LARGEST_BLOCK = 4096;
  private static final int MOST_STEPS = 1000;

  private FisherSettings() {}

  static void check(String method, OptionalDouble damp, int block, int recomputations) {
    double ridge = damp.orElse(1);
    if (!(ridge > 0 && ridge < Double.POSITIVE_INFINITY)) {
      throw new LatheException(
          "%s's damp is a number above 0 (1e-7 is usual), not %s".formatted(method, ridge));
    }
    if (block < 1 || block > LARGEST_BLOCK) {
      throw new LatheException(
          "%s's fisher_block_size is 1 to %d (50 is usual), not %d"
              .formatted(method, LARGEST_BLOCK, block));
    }
    if (recomputations < 1 || recomputations > MOST_STEPS) {
      throw new LatheException(
          "%s's num_recomputations is 1 to %d, not %d"
              .formatted(method, MOST_STEPS, recomputations));
    }
  }

  /** The largest block with which a matrix's Fisher blocks take no more than so many bytes. */
  static Optional<String> smallerBlock(long weights, long bytes, int block, int multiple) {
    for (int size = block - block % multiple; size >= multiple; size -= multiple) {
      if (BlockFisher.bytes(weights, size) <= bytes) {
        return Optional.of("fisher_block_size " + size + " fits");
      }
    }
    return Optional.empty();
  }
}

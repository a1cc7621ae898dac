package ai.lathe.compress.pruning.fisher;

import java.lang.foreign.MemorySegment;

/** What is kept of the gradients of one matrix, whose weights are counted row by row. */
public sealed interface Curvature permits BlockFisher, GradientRows, SharedFisher {

  /**
   * Adds gradients.
   *
   * @param gradients {@code [count, weights]} float32; zero where a weight is pruned already
   */
  void add(MemorySegment gradients, int count);
}

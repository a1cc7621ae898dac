package ai.lathe.runtime.kernel.sparse;

import ai.lathe.runtime.kernel.layout.PackedStripes;
import java.lang.foreign.MemorySegment;

/** Stripes of 8-bit codes without their zeros. */
public sealed interface CompactStripes extends PackedStripes permits SparseStripes, UnitStripes {

  /**
   * Spreads a stripe out.
   *
   * @param target the stripe in {@link #layout}, from {@code at}
   */
  void expand(int stripe, MemorySegment target, long at);
}

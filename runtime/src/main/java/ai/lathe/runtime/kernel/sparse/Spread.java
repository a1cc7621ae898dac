package ai.lathe.runtime.kernel.sparse;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.layout.Layout;
import ai.lathe.runtime.kernel.layout.Stripes;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.Function;

/** Many tokens: a few stripes at a time are spread out in a cache and multiplied as dense ones. */
public final class Spread {

  /** A thread's stripes that are spread out; grows to what was needed most. */
  private static final ThreadLocal<MemorySegment> SPREAD =
      ThreadLocal.withInitial(() -> MemorySegment.NULL);

  /** As {@link CompactStripes#expand}. */
  @FunctionalInterface
  public interface Expander {
    void expand(int stripe, MemorySegment target, long at);
  }

  private Spread() {}

  /**
   * {@link PackedMatrix#multiply}.
   *
   * @param together rows that are spread out at a time
   * @param dense multiplies them
   */
  public static void multiply(
      CompactStripes stripes,
      Expander expander,
      int together,
      Function<Stripes, PackedMatrix> dense,
      Input input,
      int from,
      int to,
      MemorySegment out,
      long at,
      long stride) {
    var layout = stripes.layout();
    int columns = stripes.columns();
    var codes = own(layout.bytes(together, columns));
    for (int row = from; row < to; row += together) {
      int count = Math.min(together, to - row);
      int here = Layout.stripes(count);
      for (int s = 0; s < here; s++) {
        expander.expand(row / Layout.ROWS + s, codes, s * layout.stripeBytes(columns));
      }
      var factors = stripes.factors().asSlice(4L * row, 4L * Layout.ROWS * here);
      var spread = new Stripes(layout, count, columns, codes, factors, null);
      dense.apply(spread).multiply(input, 0, count, out, at + row, stride);
    }
  }

  private static MemorySegment own(long bytes) {
    var memory = SPREAD.get();
    if (memory.byteSize() < bytes) {
      memory = Arena.ofAuto().allocate(bytes, 64);
      SPREAD.set(memory);
    }
    return memory;
  }
}

package ai.lathe.runtime.kernel.emitted;

import ai.lathe.runtime.kernel.layout.Layout;
import ai.lathe.runtime.kernel.memory.Pages;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * The kernels of one layout, in executable memory. They check no address: what they get belongs to
 * memory that is large enough and stays open.
 */
final class Kernels {

  /** A function begins where a cache line does. */
  private static final int ALIGNMENT = 64;

  private static final MethodHandle STRIPES = NativeCall.withLongs(8);
  private static final MethodHandle UNPACK = NativeCall.toLong(5);
  private static final MethodHandle PANEL = NativeCall.withLongs(10);
  private static final MethodHandle ROUND = NativeCall.withLongs(5);

  private final MemorySegment[] few = new MemorySegment[Tile.FEW + 1];
  private final MemorySegment[] many = new MemorySegment[Tile.MANY + 1];
  private final MemorySegment unpack;
  private final MemorySegment round;
  private final MemorySegment[] places = new MemorySegment[Tile.FEW + 1];
  private final ThreadLocal<MemorySegment> panels;

  /**
   * @param zeros of weights
   */
  Kernels(Layout layout, Zeros zeros) throws Pages.Refused {
    boolean masked = zeros == Zeros.MASKED;
    var code = new ByteArrayOutputStream();
    var starts = new int[few.length + many.length];
    for (int tokens = 1; tokens <= Tile.FEW; tokens++) {
      starts[tokens] =
          append(
              code,
              zeros == Zeros.BLOCKS
                  ? UnitKernel.write(layout, tokens)
                  : StripeKernel.write(layout, masked, tokens));
    }
    for (int tokens = Tile.MANY_LEAST; tokens <= Tile.MANY; tokens++) {
      starts[few.length + tokens] = append(code, PanelKernel.write(layout, tokens));
    }
    int unpackAt = append(code, UnpackKernel.write(layout, masked));
    var tile = Tile.of(layout, 1);
    int roundAt = tile.rowScales() ? 0 : append(code, InputKernel.write(tile));
    var memory = Pages.executable(code.toByteArray());
    for (int tokens = 1; tokens <= Tile.FEW; tokens++) {
      few[tokens] = memory.asSlice(starts[tokens]);
    }
    for (int tokens = Tile.MANY_LEAST; tokens <= Tile.MANY; tokens++) {
      many[tokens] = memory.asSlice(starts[few.length + tokens]);
    }
    unpack = memory.asSlice(unpackAt);
    round = tile.rowScales() ? null : memory.asSlice(roundAt);
    for (int tokens = 1; round != null && tokens <= Tile.FEW; tokens++) {
      places[tokens] = InputKernel.places(Tile.of(layout, tokens), Arena.ofAuto());
    }
    int bytes = Panel.of(tile).allBytes();
    panels = ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(bytes, ALIGNMENT));
  }

  private static int append(ByteArrayOutputStream code, byte[] function) {
    code.writeBytes(new byte[-code.size() & ALIGNMENT - 1]);
    int start = code.size();
    code.writeBytes(function);
    return start;
  }

  /** The calling thread's memory for one {@link Panel}, for as long as the thread lives. */
  long panel() {
    return panels.get().address();
  }

  /** Calls the function of {@link StripeKernel}. */
  void multiplyStripes(
      int tokens,
      long weights,
      long tile,
      long factors,
      long out,
      long units,
      long stripes,
      long stride,
      long lanes) {
    try {
      STRIPES.invokeExact(few[tokens], weights, tile, factors, out, units, stripes, stride, lanes);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /** Whether there is a function of {@link InputKernel}: not where scales are the rows'. */
  boolean rounds() {
    return round != null;
  }

  /** Calls the function of {@link InputKernel}. */
  void round(int tokens, long values, long tile, long parts, long bytes) {
    try {
      ROUND.invokeExact(round, values, tile, parts, places[tokens].address(), bytes);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /** Calls the function of {@link UnpackKernel}. */
  long unpack(long weights, long panel, long units, long sides, long codes) {
    try {
      return (long) UNPACK.invokeExact(unpack, weights, panel, units, sides, codes);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /** Calls the function of {@link PanelKernel}. */
  void multiplyPanel(
      int tokens,
      long panel,
      long tiles,
      long out,
      long stride,
      long count,
      long parts,
      long stage,
      long lanes,
      long factors,
      long header) {
    try {
      PANEL.invokeExact(
          many[tokens], panel, tiles, out, stride, count, parts, stage, lanes, factors, header);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}

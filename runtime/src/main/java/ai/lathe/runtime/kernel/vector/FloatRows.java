package ai.lathe.runtime.kernel.vector;

import java.lang.foreign.MemorySegment;

/** Rows of a weight that are decoded to float32 where they are used. */
interface FloatRows {

  int rows();

  int columns();

  /** Bytes that one pass over all rows reads. */
  long bytes();

  /** What the weights are stored as, for people. */
  String label();

  /** Decodes columns {@code [from, to)} of a row into {@code target[at ..]}. */
  void unpack(int row, int from, int to, float[] target, int at);

  /**
   * Most tokens that {@link #multiply} is called for one by one, before it is faster to decode a
   * row once for all of them; 0 where it is not there.
   */
  int single();

  /** What {@link #multiply}'s rows begin at a multiple of. */
  default int stripe() {
    return PanelKernel.WIDTH;
  }

  /**
   * Whether so many tokens, at most {@link #single}, are better multiplied with rows that {@link
   * #unpack} has decoded than by {@link #multiply}, in the same order.
   */
  default boolean decodesFor(int tokens) {
    return false;
  }

  /**
   * Products of rows {@code [from, to)} with one token.
   *
   * @param x float32, {@code columns} of them from element {@code xAt}
   * @param out row {@code r} goes to element {@code at + r}
   */
  void multiply(int from, int to, MemorySegment x, long xAt, MemorySegment out, long at);
}

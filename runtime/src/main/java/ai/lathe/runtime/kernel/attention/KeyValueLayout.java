package ai.lathe.runtime.kernel.attention;

import java.lang.foreign.MemorySegment;

/**
 * How a page holds the keys and values of {@link #POSITIONS} positions, all heads of one block.
 * Kernels see float32 panels and nothing of the encoding, so a compressed cache is one more of
 * these.
 */
public interface KeyValueLayout {

  /** Of a page. */
  int POSITIONS = 64;

  /** Key-value heads. */
  int heads();

  /** Features of a key's head. */
  int keySize();

  /** Features of a value's head. */
  int valueSize();

  /** Of a page. */
  long bytes();

  /** For people, for example {@code float16}. */
  String label();

  /**
   * Puts one head's keys and values of consecutive tokens in a page.
   *
   * @param token the first
   * @param count tokens, all of this page
   * @param position of the first in the page
   * @return whether every number is one that this layout can hold; where not, the page holds
   *     infinity or NaN in its place
   */
  boolean store(
      Heads keys, Heads values, int token, int count, int head, MemorySegment page, int position);

  /**
   * A head's keys.
   *
   * @param panel {@code [key size, POSITIONS]}; positions that were never stored hold anything
   */
  void keys(MemorySegment page, int head, float[] panel);

  /**
   * A head's values of positions {@code [from, to)} of the page.
   *
   * @param panel {@code [POSITIONS, value size]}, rows {@code stride} apart; the rest stays
   */
  void values(MemorySegment page, int head, int from, int to, float[] panel, int stride);

  /** What the first positions of one page hold, in another; the rest holds anything after it. */
  default void copy(MemorySegment from, MemorySegment to) {
    to.copyFrom(from);
  }
}

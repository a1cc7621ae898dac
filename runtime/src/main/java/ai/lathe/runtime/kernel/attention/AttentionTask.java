package ai.lathe.runtime.kernel.attention;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import java.lang.foreign.MemorySegment;

/**
 * Consecutive tokens of one sequence, the query heads that share one key-value head, and a range of
 * positions: what a kernel computes in one call. Fields are set anew for each, so that a token
 * costs no allocation.
 */
public final class AttentionTask {

  public Heads queries;

  /** Row of the first token among the queries. */
  public int row;

  /** Position of the first token in its sequence. */
  public int position;

  public int tokens;

  /** Positions of the whole sequence. */
  public int length;

  /** Key-value head. */
  public int head;

  /** Positions that are read, {@code [from, to)}; {@code from} is the first of a page. */
  public int from;

  public int to;

  /**
   * Where keys and values stand if they are in no pages: all of the sequence's, its first token's
   * in row {@link #first}. Else null.
   */
  public Heads keys;

  public Heads values;

  public int first;

  /** All pages; those of the sequence are named by {@link #table}, one after the other. */
  public MemorySegment[] pages;

  public int[] table;

  /**
   * Where the mix of values goes: {@code [tokens, heads * value size]} float32, the rows that the
   * queries have. Not used where {@link #part} is given.
   */
  public MemorySegment out;

  /**
   * Where other tasks read the other positions: {@code [tokens * group, value size + 2]}, for each
   * token and query head the sum of values times {@code 2^(s - r)}, then {@code r}, then the sum of
   * the powers. {@code s} are scores times log2(e), {@code r} is their maximum or near it. Else
   * null.
   */
  public float[] part;

  public int partAt;

  /**
   * Keys of one page of positions.
   *
   * @param panel {@code [key size, POSITIONS]}; positions beyond the sequence hold anything
   */
  public void keys(KeyValueLayout layout, int page, float[] panel) {
    if (keys == null) {
      layout.keys(pages[table[page]], head, panel);
      return;
    }
    int from = page * KeyValueLayout.POSITIONS;
    int count = Math.min(KeyValueLayout.POSITIONS, length - from);
    for (int j = 0; j < count; j++) {
      long at = keys.at(first + from + j, head);
      for (int i = 0; i < layout.keySize(); i++) {
        panel[i * KeyValueLayout.POSITIONS + j] = keys.memory().getAtIndex(JAVA_FLOAT, at + i);
      }
    }
  }

  /**
   * Values of positions {@code [begin, end)} of one page.
   *
   * @param panel {@code [POSITIONS, value size]}, rows {@code stride} apart; the rest stays
   */
  public void values(
      KeyValueLayout layout, int page, int begin, int end, float[] panel, int stride) {
    if (values == null) {
      layout.values(pages[table[page]], head, begin, end, panel, stride);
      return;
    }
    for (int j = begin; j < end; j++) {
      long at = values.at(first + page * KeyValueLayout.POSITIONS + j, head) * Float.BYTES;
      MemorySegment.copy(values.memory(), JAVA_FLOAT, at, panel, j * stride, layout.valueSize());
    }
  }
}

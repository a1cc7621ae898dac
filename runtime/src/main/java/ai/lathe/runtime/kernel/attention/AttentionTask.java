package ai.lathe.runtime.kernel.attention;

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

  /** All pages; those of the sequence are named by {@link #table}, one after the other. */
  public MemorySegment[] pages;

  public int[] table;

  /**
   * Where the mix of values goes: {@code [tokens, heads * head size]} float32, the rows that the
   * queries have. Not used where {@link #part} is given.
   */
  public MemorySegment out;

  /**
   * Where other tasks read the other positions: {@code [tokens * group, head size + 2]}, for each
   * token and query head the sum of values times {@code 2^(s - r)}, then {@code r}, then the sum of
   * the powers. {@code s} are scores times log2(e), {@code r} is their maximum or near it. Else
   * null.
   */
  public float[] part;

  public int partAt;
}

package ai.lathe.runtime.kernel.attention;

import java.lang.foreign.MemorySegment;

/**
 * Where the heads of each token's queries, keys or values stand; all in elements of float32. A
 * fused projection has all three in one row.
 *
 * @param at the first head of the first token
 * @param tokenStride from one token to the next
 * @param headStride from one head to the next
 * @param count heads of a token
 */
public record Heads(MemorySegment memory, long at, long tokenStride, int headStride, int count) {

  public long at(int token, int head) {
    return at + token * tokenStride + (long) head * headStride;
  }
}

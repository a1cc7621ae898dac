package ai.lathe.runtime.generation;

import ai.lathe.tensor.LatheException;

/**
 * What the sequences of a model share.
 *
 * @param sequences most of them at once; others wait
 * @param promptPart most prompt tokens of a step in which others write
 * @param idle finished sequences whose keys and values are kept, for prompts that begin alike
 * @param cacheBytes of keys and values of all sequences, with those a draft model keeps: a sequence
 *     that could come to need more than is free waits until others are over
 */
public record Limits(int sequences, int promptPart, int idle, long cacheBytes) {

  /** No limit of bytes: what is needed then is as many full contexts as there are sequences. */
  public static final Limits STANDARD = new Limits(16, 128, 4, Long.MAX_VALUE);

  public Limits {
    if (sequences < 1 || promptPart < 1 || idle < 0) {
      throw new LatheException(
          "limits of %d sequences, %d prompt tokens and %d idle sequences are asked for; 1, 1 and 0 are the least"
              .formatted(sequences, promptPart, idle));
    }
    if (cacheBytes < 1) {
      throw new LatheException("a cache of " + cacheBytes + " bytes holds no keys and values");
    }
  }

  public Limits withCacheBytes(long bytes) {
    return new Limits(sequences, promptPart, idle, bytes);
  }
}

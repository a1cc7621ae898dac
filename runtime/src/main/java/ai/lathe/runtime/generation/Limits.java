package ai.lathe.runtime.generation;

import ai.lathe.tensor.LatheException;

/**
 * What the sequences of a model share.
 *
 * @param sequences most of them at once; others wait
 * @param promptPart most prompt tokens of a step in which others write
 * @param idle finished sequences whose keys and values are kept, for prompts that begin alike
 */
public record Limits(int sequences, int promptPart, int idle) {

  public static final Limits STANDARD = new Limits(16, 128, 4);

  public Limits {
    if (sequences < 1 || promptPart < 1 || idle < 0) {
      throw new LatheException(
          "limits of %d sequences, %d prompt tokens and %d idle sequences are asked for; 1, 1 and 0 are the least"
              .formatted(sequences, promptPart, idle));
    }
  }
}

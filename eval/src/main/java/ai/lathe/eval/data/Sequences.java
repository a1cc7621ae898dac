package ai.lathe.eval.data;

import java.util.List;

/**
 * Token sequences taken from a text.
 *
 * @param tokens one array a sequence
 * @param textTokens tokens of the text, or of the part of it that was tokenized
 * @param notes what a user should know about how they were taken, one sentence each; usually none
 */
public record Sequences(List<int[]> tokens, long textTokens, List<String> notes) {

  public Sequences {
    tokens = List.copyOf(tokens);
    notes = List.copyOf(notes);
  }

  /** Number of sequences. */
  public int count() {
    return tokens.size();
  }

  /** Tokens in all sequences. */
  public long total() {
    return tokens.stream().mapToLong(sequence -> sequence.length).sum();
  }
}

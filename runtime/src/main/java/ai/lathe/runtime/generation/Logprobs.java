package ai.lathe.runtime.generation;

import java.util.List;

/**
 * Log probabilities of one position, by the model's logits before anything is done to them.
 *
 * @param chosen the token that was chosen
 * @param top the most probable ones in falling order, as many as were asked for
 */
public record Logprobs(Entry chosen, List<Entry> top) {

  /** A token and the natural logarithm of its probability. */
  public record Entry(int token, double logprob) {}

  public Logprobs {
    top = List.copyOf(top);
  }
}

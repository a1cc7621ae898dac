package ai.lathe.runtime.generation;

import java.util.List;
import java.util.Optional;

/**
 * A generated text and how it came about.
 *
 * @param text without end tokens and stop string
 * @param tokens of the output, those of a stop string included
 * @param promptTokens of the prompt as it was run
 * @param reusedTokens of these, the first ones that an earlier sequence had in common and that were
 *     not computed again
 * @param reason why the text ended
 * @param stop the stop string that ended it
 * @param logprobs one a token, where asked for
 * @param speculation how the draft model did; nothing drafted without one
 * @param promptSeconds until the first token
 * @param outputSeconds from the first token to the last
 */
public record Generation(
    String text,
    List<Integer> tokens,
    int promptTokens,
    int reusedTokens,
    FinishReason reason,
    Optional<String> stop,
    List<Logprobs> logprobs,
    Speculation speculation,
    double promptSeconds,
    double outputSeconds) {

  public Generation {
    tokens = List.copyOf(tokens);
    logprobs = List.copyOf(logprobs);
  }
}

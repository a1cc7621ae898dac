package ai.lathe.runtime.generation;

import ai.lathe.tensor.LatheException;
import java.util.List;

/**
 * What is asked of one generation.
 *
 * @param sampling how tokens are chosen
 * @param maxTokens of the output
 * @param stops strings that end the text before them
 * @param ignoreEnd goes on behind the model's end tokens
 * @param truncatePrompt a prompt that is too long loses its first tokens, but for a token that the
 *     tokenizer begins every text with, until the output has room, at least half of the context;
 *     else it is an error
 */
public record GenerationOptions(
    Sampling sampling,
    int maxTokens,
    List<String> stops,
    boolean ignoreEnd,
    boolean truncatePrompt) {

  /** No limit but the context. */
  public static final int UNLIMITED = Integer.MAX_VALUE;

  public GenerationOptions {
    stops = List.copyOf(stops);
    if (maxTokens < 1) {
      throw new LatheException("at most " + maxTokens + " tokens are asked for; 1 is the least");
    }
    if (stops.stream().anyMatch(String::isEmpty)) {
      throw new LatheException("a stop string is empty; it would stop before the first token");
    }
  }

  /** The most probable token each time, until the model ends or its context does. */
  public static GenerationOptions greedy() {
    return of(Sampling.greedy());
  }

  /** {@link Sampling#standard()}, until the model ends or its context does. */
  public static GenerationOptions standard() {
    return of(Sampling.standard());
  }

  public static GenerationOptions of(Sampling sampling) {
    return new GenerationOptions(sampling, UNLIMITED, List.of(), false, false);
  }

  public GenerationOptions withSampling(Sampling value) {
    return new GenerationOptions(value, maxTokens, stops, ignoreEnd, truncatePrompt);
  }

  public GenerationOptions withMaxTokens(int value) {
    return new GenerationOptions(sampling, value, stops, ignoreEnd, truncatePrompt);
  }

  public GenerationOptions withStops(List<String> value) {
    return new GenerationOptions(sampling, maxTokens, value, ignoreEnd, truncatePrompt);
  }

  public GenerationOptions withIgnoreEnd(boolean value) {
    return new GenerationOptions(sampling, maxTokens, stops, value, truncatePrompt);
  }

  public GenerationOptions withTruncatePrompt(boolean value) {
    return new GenerationOptions(sampling, maxTokens, stops, ignoreEnd, value);
  }
}

package ai.lathe.compress.allocation;

import java.util.List;
import java.util.random.RandomGenerator;

/** Measures whole allocations on the model. */
public interface Fitness {

  /** Text and measure in few words: two of the same name measure the same. */
  default String name() {
    return tokens() + " tokens";
  }

  /** Tokens that there are to measure on. */
  long tokens();

  /**
   * Text to measure on: whole sequences without repetition, the last cut so that there are exactly
   * so many tokens; all of them where there are no more.
   */
  Batch draw(int tokens, RandomGenerator random);

  /** Some text. Allocations are measured alike as long as it is open. */
  interface Batch extends AutoCloseable {

    /**
     * How far the model so compressed is from the original on this text; less is better, 0 is the
     * original. What an allocation measured before has in common with it, from the first block on,
     * is not computed again.
     */
    double loss(Allocation allocation);

    /**
     * The losses of several, the same as one by one. What any of them have in common is computed
     * once and with little memory, so whoever knows several beforehand asks for them together.
     */
    default double[] losses(List<Allocation> allocations) {
      return allocations.stream().mapToDouble(this::loss).toArray();
    }

    @Override
    void close();
  }
}

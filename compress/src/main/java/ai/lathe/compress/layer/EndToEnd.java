package ai.lathe.compress.layer;

import ai.lathe.tensor.LatheException;

/**
 * How scales are tuned over the whole model once all blocks are compressed. Codes and masks stay as
 * they are.
 *
 * @param epochs over the calibration sequences; 0 leaves scales as they are
 * @param batchTokens about as many tokens a step
 * @param learningRate of the logarithm of scales; falls by a cosine
 * @param objective what is lowered
 * @param seed of the order of sequences, and which of them are kept apart
 */
public record EndToEnd(
    int epochs, int batchTokens, double learningRate, Objective objective, int seed) {

  /** A loss of a decoder. */
  public enum Objective {
    /** Cross-entropy of the tokens that follow. */
    NEXT_TOKEN,
    /** Divergence of what the original model predicts from what the compressed one does. */
    TEACHER
  }

  public EndToEnd {
    if (epochs < 0 || batchTokens < 1) {
      throw new LatheException(
          "scales are tuned for 0 epochs or more, with 1 token a batch or more, not %d and %d"
              .formatted(epochs, batchTokens));
    }
    if (!(learningRate >= 0 && learningRate <= 1)) {
      throw new LatheException(
          "scales are tuned at a learning rate of 0 to 1, not " + learningRate);
    }
  }
}

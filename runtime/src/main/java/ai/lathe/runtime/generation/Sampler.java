package ai.lathe.runtime.generation;

import ai.lathe.tensor.LatheException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.BitSet;

/** Chooses the tokens of one sequence. For one thread at a time. */
public final class Sampler {

  private final Sampling sampling;
  private final SplitMix random;
  private final Distribution distribution;
  private final int[] biased;
  private final float[] biases;

  /** Tokens of the prompt, of prompt and output, and how often the output has each; or null. */
  private final BitSet prompted;

  private final BitSet seen;
  private final int[] counts;
  private Logprobs logprobs;

  /**
   * @param distribution to work in, shared with others of the same thread
   */
  public Sampler(Sampling sampling, Distribution distribution) {
    this.sampling = sampling;
    this.distribution = distribution;
    this.random = new SplitMix(sampling.seed());
    int vocabulary = distribution.size();
    biased = sampling.bias().keySet().stream().mapToInt(Integer::intValue).sorted().toArray();
    biases = new float[biased.length];
    for (int i = 0; i < biased.length; i++) {
      if (biased[i] < 0 || biased[i] >= vocabulary) {
        throw new LatheException(
            "a bias is given for token %d; tokens are from 0 to %d"
                .formatted(biased[i], vocabulary - 1));
      }
      biases[i] = sampling.bias().get(biased[i]).floatValue();
    }
    prompted = sampling.penalizes() ? new BitSet(vocabulary) : null;
    seen = sampling.penalizes() ? new BitSet(vocabulary) : null;
    counts = sampling.penalizes() ? new int[vocabulary] : null;
  }

  /** A token of the prompt. */
  public void prompt(int token) {
    if (seen != null) {
      prompted.set(token);
      seen.set(token);
    }
  }

  /** A token that became part of the output. */
  public void accept(int token) {
    if (seen != null) {
      seen.set(token);
      counts[token]++;
    }
  }

  /** Undoes one {@link #accept} of this token. */
  void retract(int token) {
    if (seen != null && --counts[token] == 0 && !prompted.get(token)) {
      seen.clear(token);
    }
  }

  /**
   * Chooses the next token, which the caller then accepts.
   *
   * @param at element of the first logit
   */
  public int next(MemorySegment logits, long at) {
    shape(logits, at);
    int token = distribution.draw(random.uniform());
    report(logits, at, token);
    return token;
  }

  /** Leaves the next token's distribution, with all steps done, in the shared one. */
  void shape(MemorySegment logits, long at) {
    distribution.load(logits, at);
    for (int i = 0; i < biased.length; i++) {
      distribution.set(biased[i], distribution.logit(biased[i]) + biases[i]);
    }
    if (seen != null) {
      penalize();
    }
    distribution.shape(sampling);
  }

  private void penalize() {
    float repetition = (float) sampling.repetitionPenalty();
    for (int token = seen.nextSetBit(0); token >= 0; token = seen.nextSetBit(token + 1)) {
      float logit = distribution.logit(token);
      logit = logit > 0 ? logit / repetition : logit * repetition;
      if (counts[token] > 0) {
        logit -= (float) (sampling.presencePenalty() + sampling.frequencyPenalty() * counts[token]);
      }
      distribution.set(token, logit);
    }
  }

  /** The next number in {@code [0, 1)} of this sequence's generator. */
  double uniform() {
    return random.uniform();
  }

  /** Notes log probabilities for a token that was chosen by these logits, where asked for. */
  void report(MemorySegment logits, long at, int token) {
    if (sampling.logprobs() < 0) {
      return;
    }
    distribution.load(logits, at);
    double sum = distribution.logSum();
    var chosen = logits.getAtIndex(ValueLayout.JAVA_FLOAT, at + token);
    logprobs =
        new Logprobs(
            new Logprobs.Entry(token, chosen - sum), distribution.top(sampling.logprobs(), sum));
  }

  /** Of the last chosen token; null where not asked for. */
  Logprobs logprobs() {
    return logprobs;
  }
}

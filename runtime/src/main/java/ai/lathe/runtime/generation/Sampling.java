package ai.lathe.runtime.generation;

import ai.lathe.tensor.LatheException;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;

/**
 * How the next token is chosen from a model's logits. The steps are those of transformers and vLLM,
 * in their order: bias, repetition penalty, presence and frequency penalties, temperature, top-k,
 * top-p, min-p, draw. (llama.cpp has the temperature last; with a temperature other than 1, top-p
 * and min-p then keep other tokens.)
 *
 * @param temperature what logits are divided by; 0 takes the most probable token, the lowest id
 *     among equals, whatever the cuts say
 * @param topK keeps so many of the most probable tokens; 0 keeps all
 * @param topP keeps the fewest most probable tokens whose probabilities sum up to this; 1 keeps all
 * @param minP keeps tokens with at least this share of the most probable one's probability; 0 keeps
 *     all
 * @param repetitionPenalty logits of tokens that prompt or output contain are divided by it where
 *     positive, multiplied where negative (Keskar et al. 2019, arXiv 1909.05858); 1 for none
 * @param presencePenalty is subtracted from logits of tokens that the output contains
 * @param frequencyPenalty is subtracted once for each time that the output contains the token
 * @param bias is added to logits, by token; minus infinity forbids one
 * @param seed of the draws, which are SplitMix64's (see {@link SplitMix}): the same seed and the
 *     same logits give the same tokens, on every machine
 * @param logprobs for how many of the most probable tokens to report the logarithm of their
 *     probability, beside the chosen one's; less than 0 for none at all. They are of the model's
 *     logits as they are, before the first step.
 */
public record Sampling(
    double temperature,
    int topK,
    double topP,
    double minP,
    double repetitionPenalty,
    double presencePenalty,
    double frequencyPenalty,
    Map<Integer, Double> bias,
    long seed,
    int logprobs) {

  /** Most tokens that log probabilities are reported for. */
  public static final int MOST_LOGPROBS = 100;

  private static final int NONE = -1;

  public Sampling {
    require(temperature >= 0 && temperature <= 1e6, "temperature", temperature, "0 or more");
    require(topK >= 0, "top-k", topK, "0 (all) or more");
    require(topP > 0 && topP <= 1, "top-p", topP, "more than 0 and at most 1 (all)");
    require(minP >= 0 && minP <= 1, "min-p", minP, "from 0 (all) to 1");
    require(
        repetitionPenalty > 0 && repetitionPenalty <= 1e6,
        "repetition penalty",
        repetitionPenalty,
        "more than 0; 1 is none");
    require(finite(presencePenalty), "presence penalty", presencePenalty, "a finite number");
    require(finite(frequencyPenalty), "frequency penalty", frequencyPenalty, "a finite number");
    require(logprobs <= MOST_LOGPROBS, "logprobs", logprobs, "at most " + MOST_LOGPROBS);
    bias = Map.copyOf(bias);
    bias.forEach(
        (token, value) ->
            require(
                value < Double.POSITIVE_INFINITY,
                "bias of token " + token,
                value,
                "a finite number or minus infinity"));
  }

  /** Always the most probable token. */
  public static Sampling greedy() {
    return new Sampling(0, 0, 1, 0, 1, 0, 0, Map.of(), 0, NONE);
  }

  /**
   * Temperature 0.8, top-k 40, top-p 0.95, min-p 0.05: the values that llama.cpp's users know. The
   * seed is drawn; {@link #seed()} tells it.
   */
  public static Sampling standard() {
    long seed = ThreadLocalRandom.current().nextLong() >>> 1;
    return new Sampling(0.8, 40, 0.95, 0.05, 1, 0, 0, Map.of(), seed, NONE);
  }

  /** The model's own distribution: temperature 1, nothing cut. */
  public static Sampling plain(long seed) {
    return new Sampling(1, 0, 1, 0, 1, 0, 0, Map.of(), seed, NONE);
  }

  public Sampling withTemperature(double value) {
    return new Sampling(
        value,
        topK,
        topP,
        minP,
        repetitionPenalty,
        presencePenalty,
        frequencyPenalty,
        bias,
        seed,
        logprobs);
  }

  public Sampling withTopK(int value) {
    return new Sampling(
        temperature,
        value,
        topP,
        minP,
        repetitionPenalty,
        presencePenalty,
        frequencyPenalty,
        bias,
        seed,
        logprobs);
  }

  public Sampling withTopP(double value) {
    return new Sampling(
        temperature,
        topK,
        value,
        minP,
        repetitionPenalty,
        presencePenalty,
        frequencyPenalty,
        bias,
        seed,
        logprobs);
  }

  public Sampling withMinP(double value) {
    return new Sampling(
        temperature,
        topK,
        topP,
        value,
        repetitionPenalty,
        presencePenalty,
        frequencyPenalty,
        bias,
        seed,
        logprobs);
  }

  public Sampling withPenalties(double repetition, double presence, double frequency) {
    return new Sampling(
        temperature, topK, topP, minP, repetition, presence, frequency, bias, seed, logprobs);
  }

  public Sampling withBias(Map<Integer, Double> value) {
    return new Sampling(
        temperature,
        topK,
        topP,
        minP,
        repetitionPenalty,
        presencePenalty,
        frequencyPenalty,
        value,
        seed,
        logprobs);
  }

  public Sampling withSeed(long value) {
    return new Sampling(
        temperature,
        topK,
        topP,
        minP,
        repetitionPenalty,
        presencePenalty,
        frequencyPenalty,
        bias,
        value,
        logprobs);
  }

  public Sampling withLogprobs(int value) {
    return new Sampling(
        temperature,
        topK,
        topP,
        minP,
        repetitionPenalty,
        presencePenalty,
        frequencyPenalty,
        bias,
        seed,
        value);
  }

  /** Whether the tokens so far change the next one's probability beyond the model's own logits. */
  boolean penalizes() {
    return repetitionPenalty != 1 || presencePenalty != 0 || frequencyPenalty != 0;
  }

  private static boolean finite(double value) {
    return Math.abs(value) <= 1e6;
  }

  private static void require(boolean valid, String name, Object value, String right) {
    if (!valid) {
      throw new LatheException(name + " is " + value + "; it has to be " + right);
    }
  }
}

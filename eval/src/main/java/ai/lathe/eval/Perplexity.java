package ai.lathe.eval;

import ai.lathe.model.LanguageModel;
import ai.lathe.tensor.Progress;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;

/**
 * Perplexity of a language model over windows of a text, in both customary ways from one pass: over
 * all predicted tokens, as with Hugging Face models, and over the second half of each window, as
 * llama.cpp's {@code perplexity} does so that every scored token has some context. The two numbers
 * are not comparable with each other.
 *
 * <p>llama.cpp also puts the BOS token in the place of each window's first; here every window is as
 * the text has it.
 */
public final class Perplexity {

  /**
   * What was measured.
   *
   * @param perplexity {@code exp} of the mean negative log-likelihood over all predicted tokens: a
   *     window of n tokens predicts n - 1
   * @param perplexityError its standard error, taking tokens as independent, as llama.cpp does
   * @param perplexityLlamacpp the same over positions {@code n / 2 .. n - 2} of each window, which
   *     predict tokens {@code n / 2 + 1 .. n - 1}
   * @param tokens predicted tokens, those of {@code perplexity}
   * @param windows number of windows
   */
  public record Result(
      @JsonProperty("perplexity") double perplexity,
      @JsonProperty("perplexity_error") double perplexityError,
      @JsonProperty("perplexity_llamacpp") double perplexityLlamacpp,
      @JsonProperty("perplexity_llamacpp_error") double perplexityLlamacppError,
      @JsonProperty("tokens") long tokens,
      @JsonProperty("windows") int windows) {}

  private Perplexity() {}

  /**
   * Runs the model over each window once.
   *
   * @param windows at least one, each of at least 3 tokens
   */
  public static Result measure(LanguageModel model, List<int[]> windows, Progress progress) {
    int capacity = LogitRows.capacity(model.vocabularySize(), windows);
    return measure(model, windows, progress, LogitMath.BEST, capacity);
  }

  static Result measure(
      LanguageModel model, List<int[]> windows, Progress progress, LogitMath math, int capacity) {
    LogitRows.check(model, "model", windows);
    var rows = new LogitRows("model", model.vocabularySize(), capacity, math);
    var likelihood = new Likelihood();
    try (var task = progress.start("perplexity", windows.size())) {
      for (int w = 0; w < windows.size(); w++) {
        var window = windows.get(w);
        try (var logits = model.forward(window)) {
          LogitRows.check(logits, "model", window);
          for (int from = 0; from < window.length - 1; from += capacity) {
            int to = Math.min(from + capacity, window.length - 1);
            rows.load(logits, from, to, w);
            for (int i = from; i < to; i++) {
              likelihood.add(i, window.length, rows.negativeLogLikelihood(i - from, window[i + 1]));
            }
          }
        }
        task.advance(1);
        task.note("perplexity %.4f".formatted(likelihood.result(w + 1).perplexity()));
      }
    }
    return likelihood.result(windows.size());
  }

  /** Negative log-likelihoods as they come in. */
  static final class Likelihood {
    private final Mean all = new Mean();
    private final Mean secondHalves = new Mean();

    /**
     * @param position that predicts, in a window of {@code length} tokens
     */
    void add(int position, int length, double negativeLogLikelihood) {
      all.add(negativeLogLikelihood);
      if (position >= length / 2) {
        secondHalves.add(negativeLogLikelihood);
      }
    }

    Result result(int windows) {
      double perplexity = Math.exp(all.mean());
      double llamacpp = Math.exp(secondHalves.mean());
      return new Result(
          perplexity,
          perplexity * all.standardError(),
          llamacpp,
          llamacpp * secondHalves.standardError(),
          all.count(),
          windows);
    }
  }
}

package ai.lathe.eval;

import ai.lathe.model.LanguageModel;
import ai.lathe.model.Masking;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * How far a model's next-token distributions {@code q} are from a reference's {@code p}, at every
 * position that predicts a token of a window, over the whole vocabulary; or an encoder's of masked
 * tokens. Both models run over each window in step, so nothing is kept on disk between them.
 */
public final class Divergence {

  /**
   * What was measured.
   *
   * @param model perplexity of the model
   * @param reference perplexity of the reference on the same windows
   * @param kl {@code KL(p || q)} in nats; its mean is the figure to quote
   * @param ear expected acceptance rate: the mean of {@code sum(min(p, q))}, which is one minus the
   *     total variation distance, and the rate at which speculative decoding accepts the one's
   *     tokens for the other's
   * @param earError standard error of {@code ear}
   * @param top1 how often both have the same likeliest token
   * @param top1Error standard error of {@code top1}
   * @param byPosition {@code kl} by how much of the window the models had seen, in ascending order;
   *     empty in results of older versions
   */
  public record Result(
      @JsonProperty("model") Perplexity.Result model,
      @JsonProperty("reference") Perplexity.Result reference,
      @JsonProperty("kl") Spread kl,
      @JsonProperty("ear") double ear,
      @JsonProperty("ear_error") double earError,
      @JsonProperty("top1") double top1,
      @JsonProperty("top1_error") double top1Error,
      @JsonProperty("by_position") List<PositionKl> byPosition) {

    public Result {
      byPosition = byPosition == null ? List.of() : List.copyOf(byPosition);
    }
  }

  private Divergence() {}

  /**
   * Runs both models over each window once.
   *
   * @param windows at least one, each of at least 3 tokens
   */
  public static Result measure(
      LanguageModel model, LanguageModel reference, List<int[]> windows, Progress progress) {
    int capacity = LogitRows.capacity(model.vocabularySize(), windows);
    return measure(model, reference, windows, progress, LogitMath.BEST, capacity);
  }

  /**
   * Of masked tokens, at their own positions. The perplexity is the exponential of their mean
   * negative log-likelihood; that of llama.cpp means nothing here.
   *
   * @param texts at least one, each of at least 3 tokens; at least one token is hidden
   */
  public static Result measureMasked(
      LanguageModel model, LanguageModel reference, List<Masking.Text> texts, Progress progress) {
    var windows = texts.stream().map(Masking.Text::tokens).toList();
    var labels = texts.stream().map(Masking.Text::labels).toList();
    int capacity = LogitRows.capacity(model.vocabularySize(), windows);
    return measure(model, reference, windows, labels, progress, LogitMath.BEST, capacity);
  }

  static Result measure(
      LanguageModel model,
      LanguageModel reference,
      List<int[]> windows,
      Progress progress,
      LogitMath math,
      int capacity) {
    var followers = windows.stream().map(Divergence::followers).toList();
    return measure(model, reference, windows, followers, progress, math, capacity);
  }

  /** For each position the token that it predicts; the last predicts none. */
  private static int[] followers(int[] window) {
    var followers = new int[window.length];
    System.arraycopy(window, 1, followers, 0, window.length - 1);
    followers[window.length - 1] = Masking.UNLABELLED;
    return followers;
  }

  private static Result measure(
      LanguageModel model,
      LanguageModel reference,
      List<int[]> windows,
      List<int[]> labels,
      Progress progress,
      LogitMath math,
      int capacity) {
    if (model.vocabularySize() != reference.vocabularySize()) {
      throw new LatheException(
          "the model has a vocabulary of %d and the reference one of %d; only models of one vocabulary can be compared"
              .formatted(model.vocabularySize(), reference.vocabularySize()));
    }
    LogitRows.check(reference, "reference", windows);
    LogitRows.check(model, "model", windows);
    int vocabulary = model.vocabularySize();
    var p = new LogitRows("reference", vocabulary, capacity, math);
    var q = new LogitRows("model", vocabulary, capacity, math);

    var referenceLikelihood = new Perplexity.Likelihood();
    var modelLikelihood = new Perplexity.Likelihood();
    var divergences =
        new double[labels.stream().mapToInt(Divergence::predictions).reduce(0, Math::addExact)];
    if (divergences.length == 0) {
      throw new LatheException("there are no tokens to predict");
    }
    int scored = 0;
    var acceptance = new Mean();
    var agreement = new Mean();
    var byPosition = new PositionKl.Means();
    var comparisons = new double[capacity][2];
    try (var task = progress.start("divergence", windows.size())) {
      for (int w = 0; w < windows.size(); w++) {
        var window = windows.get(w);
        var labelled = labels.get(w);
        int end = window.length;
        while (end > 0 && labelled[end - 1] == Masking.UNLABELLED) {
          end--;
        }
        try (var expected = reference.forward(window);
            var given = model.forward(window)) {
          LogitRows.check(expected, "reference", window);
          LogitRows.check(given, "model", window);
          for (int from = 0; from < end; from += capacity) {
            int first = from;
            int to = Math.min(from + capacity, end);
            p.load(expected, from, to, w);
            q.load(given, from, to, w);
            IntStream.range(0, to - from)
                .parallel()
                .filter(row -> labelled[first + row] != Masking.UNLABELLED)
                .forEach(row -> p.compare(q, row, comparisons[row]));
            for (int i = from; i < to; i++) {
              int row = i - from;
              int token = labelled[i];
              if (token == Masking.UNLABELLED) {
                continue;
              }
              referenceLikelihood.add(i, window.length, p.negativeLogLikelihood(row, token));
              modelLikelihood.add(i, window.length, q.negativeLogLikelihood(row, token));
              // Both bounds hold but for rounding.
              double divergence = Math.max(0, comparisons[row][0]);
              divergences[scored++] = divergence;
              byPosition.add(i + 1, divergence);
              acceptance.add(Math.min(1, comparisons[row][1]));
              agreement.add(p.likeliest(row) == q.likeliest(row) ? 1 : 0);
            }
          }
        }
        task.advance(1);
        task.note(
            "KL %.5f".formatted(Arrays.stream(divergences, 0, scored).average().orElseThrow()));
      }
    }
    return new Result(
        modelLikelihood.result(windows.size()),
        referenceLikelihood.result(windows.size()),
        Spread.of(divergences),
        acceptance.mean(),
        acceptance.standardError(),
        agreement.mean(),
        agreement.standardError(),
        byPosition.result());
  }

  private static int predictions(int[] labels) {
    return (int) Arrays.stream(labels).filter(label -> label != Masking.UNLABELLED).count();
  }
}

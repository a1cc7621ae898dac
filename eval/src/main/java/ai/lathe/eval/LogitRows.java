package ai.lathe.eval;

import ai.lathe.model.LanguageModel;
import ai.lathe.tensor.LatheException;
import java.util.List;
import java.util.stream.IntStream;

/**
 * A few rows of a model's logits at a time, with their normalisers, so that no measure needs memory
 * for a whole window of a large vocabulary.
 */
final class LogitRows {

  /** Most floats of logits held: 64 MB. */
  private static final int MOST = 1 << 24;

  private final String name;
  private final LogitMath math;
  private final int vocabulary;
  private final float[] values;
  private final float[] max;
  private final double[] logSum;

  /**
   * @param name how messages call the model
   * @param capacity most rows at a time
   */
  LogitRows(String name, int vocabulary, int capacity, LogitMath math) {
    this.name = name;
    this.math = math;
    this.vocabulary = vocabulary;
    this.values = new float[Math.multiplyExact(capacity, vocabulary)];
    this.max = new float[capacity];
    this.logSum = new double[capacity];
  }

  /** Rows to hold at a time, for windows of these lengths. */
  static int capacity(int vocabulary, List<int[]> windows) {
    int longest = windows.stream().mapToInt(window -> window.length).max().orElse(1);
    return Math.clamp(MOST / vocabulary, 1, longest);
  }

  /** Takes positions {@code [from, to)} of a window; throws where a logit is not finite. */
  void load(LanguageModel.Logits logits, int from, int to, int window) {
    logits.rows(from, to, values);
    IntStream.range(0, to - from)
        .parallel()
        .forEach(
            row -> {
              max[row] = math.max(values, row * vocabulary, vocabulary);
              logSum[row] = math.logSumExp(values, row * vocabulary, vocabulary, max[row]);
            });
    for (int row = 0; row < to - from; row++) {
      if (!Float.isFinite(max[row])) {
        throw new LatheException(
            "the %s's logits are not finite in window %d at position %d: a weight or an activation overflowed or is NaN"
                .formatted(name, window, from + row));
      }
    }
  }

  /** {@code -log p(token)} in nats. */
  double negativeLogLikelihood(int row, int token) {
    return logSum[row] - values[row * vocabulary + token];
  }

  /** The first of the likeliest tokens. */
  int likeliest(int row) {
    int at = row * vocabulary;
    while (values[at] != max[row]) {
      at++;
    }
    return at - row * vocabulary;
  }

  /** {@link LogitMath#compare} of this row with the other's. */
  void compare(LogitRows other, int row, double[] target) {
    int at = row * vocabulary;
    math.compare(values, at, logSum[row], other.values, at, other.logSum[row], vocabulary, target);
  }

  /** Refuses windows that a model cannot run, before anything is run. */
  static void check(LanguageModel model, String name, List<int[]> windows) {
    if (windows.isEmpty()) {
      throw new LatheException("there are no windows to evaluate");
    }
    for (int w = 0; w < windows.size(); w++) {
      var window = windows.get(w);
      if (window.length < 3) {
        throw new LatheException(
            "window %d has %d tokens; at least 3 are needed".formatted(w, window.length));
      }
      if (window.length > model.contextLength()) {
        throw new LatheException(
            "the %s takes at most %d tokens at once; choose a sequence length up to that instead of %d"
                .formatted(name, model.contextLength(), window.length));
      }
      for (int token : window) {
        if (token < 0 || token >= model.vocabularySize()) {
          throw new LatheException(
              "token %d is outside the %s's vocabulary of %d; the tokenizer belongs to another model"
                  .formatted(token, name, model.vocabularySize()));
        }
      }
    }
  }

  /** Refuses logits of another length than the window's. */
  static void check(LanguageModel.Logits logits, String name, int[] window) {
    if (logits.positions() != window.length) {
      throw new LatheException(
          "the %s gave logits for %d positions of a window of %d"
              .formatted(name, logits.positions(), window.length));
    }
  }
}

package ai.lathe.compress.search;

import ai.lathe.model.LanguageModel;
import ai.lathe.model.LanguageModel.Logits;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * A model's likeliest next tokens at every position that predicts one, and other models compared
 * with it on these alone: both distributions are renormalized on them.
 */
final class TopK {

  private static final int CHUNK = 1 << 22;

  private final int k;
  private final int step;
  private final float[] rows;
  private final List<int[]> sequences;

  /** {@code [position][k]} of each sequence. */
  private final List<int[][]> tokens = new ArrayList<>();

  /** Their log-probabilities. */
  private final List<double[][]> logs = new ArrayList<>();

  TopK(LanguageModel model, List<int[]> sequences, int likeliest) {
    this.k = Math.min(likeliest, model.vocabularySize());
    this.step = Math.max(1, CHUNK / model.vocabularySize());
    this.rows = new float[Math.multiplyExact(step, model.vocabularySize())];
    this.sequences = sequences;
    for (var sequence : sequences) {
      var chosen = new int[sequence.length - 1][];
      var log = new double[sequence.length - 1][];
      each(
          model,
          sequence,
          (position, at) -> {
            chosen[position] = likeliest(at, model.vocabularySize());
            log[position] = logarithms(at, chosen[position]);
          });
      tokens.add(chosen);
      logs.add(log);
    }
  }

  private interface Row {
    /**
     * @param at where the position's logits begin in {@link #rows}
     */
    void accept(int position, int at);
  }

  private void each(LanguageModel model, int[] sequence, Row row) {
    int vocabulary = model.vocabularySize();
    int positions = sequence.length - 1;
    try (Logits logits = model.forward(sequence)) {
      for (int from = 0; from < positions; from += step) {
        int first = from;
        int to = Math.min(positions, from + step);
        logits.rows(from, to, rows);
        IntStream.range(from, to)
            .parallel()
            .forEach(position -> row.accept(position, (position - first) * vocabulary));
      }
    }
  }

  /** The k largest, in ascending order of tokens; of equal ones the first. */
  private int[] likeliest(int at, int vocabulary) {
    // A float's bits in the order of its value, and the token below: one comparison tells both.
    var keys = new long[vocabulary];
    for (int token = 0; token < vocabulary; token++) {
      int bits = Float.floatToIntBits(rows[at + token]);
      int ordered = bits ^ ((bits >> 31) & Integer.MAX_VALUE);
      keys[token] = ((long) ordered << 32) | (Integer.MAX_VALUE - token);
    }
    select(keys, vocabulary - k);
    var chosen = new int[k];
    for (int i = 0; i < k; i++) {
      chosen[i] = Integer.MAX_VALUE - (int) keys[vocabulary - k + i];
    }
    Arrays.sort(chosen);
    return chosen;
  }

  /** Partitions so that what stands from {@code place} on is not below what stands before it. */
  private static void select(long[] keys, int place) {
    int low = 0;
    int high = keys.length - 1;
    while (low < high) {
      long pivot = keys[(low + high) >>> 1];
      int i = low;
      int j = high;
      while (i <= j) {
        while (keys[i] < pivot) {
          i++;
        }
        while (keys[j] > pivot) {
          j--;
        }
        if (i <= j) {
          long swapped = keys[i];
          keys[i++] = keys[j];
          keys[j--] = swapped;
        }
      }
      if (place <= j) {
        high = j;
      } else if (place >= i) {
        low = i;
      } else {
        return;
      }
    }
  }

  private double[] logarithms(int at, int[] chosen) {
    double max = Double.NEGATIVE_INFINITY;
    for (int token : chosen) {
      max = Math.max(max, rows[at + token]);
    }
    double sum = 0;
    for (int token : chosen) {
      sum += Math.exp(rows[at + token] - max);
    }
    double normalizer = max + Math.log(sum);
    var logarithms = new double[chosen.length];
    for (int i = 0; i < chosen.length; i++) {
      logarithms[i] = rows[at + chosen[i]] - normalizer;
    }
    return logarithms;
  }

  /** Mean divergence over all positions, in nats. */
  double divergence(LanguageModel candidate) {
    double sum = 0;
    long count = 0;
    for (int s = 0; s < sequences.size(); s++) {
      var chosen = tokens.get(s);
      var expected = logs.get(s);
      var divergences = new double[chosen.length];
      each(
          candidate,
          sequences.get(s),
          (position, at) -> {
            var given = logarithms(at, chosen[position]);
            double divergence = 0;
            for (int i = 0; i < given.length; i++) {
              double log = expected[position][i];
              divergence += Math.exp(log) * (log - given[i]);
            }
            divergences[position] = Math.max(0, divergence);
          });
      for (double divergence : divergences) {
        sum += divergence;
      }
      count += divergences.length;
    }
    return sum / count;
  }
}

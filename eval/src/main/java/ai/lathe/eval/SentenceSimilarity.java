package ai.lathe.eval;

import ai.lathe.eval.data.Sentences;
import ai.lathe.model.Encoder;
import ai.lathe.model.Pooling;
import ai.lathe.model.Tokenizer;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Semantic textual similarity: how well the cosines of an encoder's embeddings rank pairs of
 * sentences as people did. STS-B of GLUE (Cer et al. 2017) is the customary set.
 */
public final class SentenceSimilarity {

  /**
   * Two sentences.
   *
   * @param score how alike people found them
   */
  public record Pair(String first, String second, double score) {}

  /**
   * What was measured.
   *
   * @param spearman rank correlation of cosines and scores, the figure that leaderboards quote
   * @param pearson linear correlation of the same
   * @param pairs number of pairs
   */
  public record Result(
      @JsonProperty("spearman") double spearman,
      @JsonProperty("pearson") double pearson,
      @JsonProperty("pairs") int pairs) {}

  private SentenceSimilarity() {}

  /**
   * Reads STS-B as it is distributed: UTF-8, a pair a line, tab-separated columns, of which the
   * fifth is the score and the next two are the sentences.
   */
  public static List<Pair> read(Path file) {
    var pairs = new ArrayList<Pair>();
    try (BufferedReader reader = Files.newBufferedReader(file)) {
      for (var line = reader.readLine(); line != null; line = reader.readLine()) {
        pairs.add(pair(line.split("\t"), file, pairs.size() + 1));
      }
    } catch (IOException e) {
      throw new LatheException(file + " cannot be read as sentence pairs: " + e.getMessage(), e);
    }
    if (pairs.size() < 2) {
      throw new LatheException(file + " has " + pairs.size() + " pairs; at least 2 are needed");
    }
    return pairs;
  }

  private static Pair pair(String[] columns, Path file, int line) {
    if (columns.length >= 7) {
      try {
        return new Pair(columns[5], columns[6], Double.parseDouble(columns[4]));
      } catch (NumberFormatException e) {
        throw new LatheException(
            file + ", line " + line + ": the fifth column is no score: " + columns[4], e);
      }
    }
    throw new LatheException(
        file
            + ", line "
            + line
            + ": "
            + columns.length
            + " tab-separated columns; a pair has 7, of which the last three are score and sentences");
  }

  /**
   * Encodes both sentences of each pair.
   *
   * @param length most tokens of a sentence; longer ones are cut
   */
  public static Result measure(
      Encoder model,
      Tokenizer tokenizer,
      List<Pair> pairs,
      int length,
      Pooling pooling,
      Progress progress) {
    var sequences = new ArrayList<int[]>();
    for (var pair : pairs) {
      sequences.add(Sentences.encode(pair.first(), tokenizer, length));
      sequences.add(Sentences.encode(pair.second(), tokenizer, length));
    }
    try (var task = progress.start("sentence pairs", sequences.size())) {
      var embeddings = Embeddings.of(model, "model", sequences, pooling, task);
      var cosines = new double[pairs.size()];
      var scores = new double[pairs.size()];
      for (int i = 0; i < cosines.length; i++) {
        cosines[i] = Embeddings.cosine(embeddings[2 * i], embeddings[2 * i + 1]);
        scores[i] = pairs.get(i).score();
      }
      return new Result(
          pearson(ranks(cosines), ranks(scores)), pearson(cosines, scores), pairs.size());
    }
  }

  /** Ranks from 1; equal values share the mean of theirs. */
  static double[] ranks(double[] values) {
    var order =
        IntStream.range(0, values.length)
            .boxed()
            .sorted(Comparator.comparingDouble(i -> values[i]))
            .toList();
    var ranks = new double[values.length];
    for (int from = 0, to; from < order.size(); from = to) {
      to = from + 1;
      while (to < order.size() && values[order.get(to)] == values[order.get(from)]) {
        to++;
      }
      for (int i = from; i < to; i++) {
        ranks[order.get(i)] = (from + 1 + to) / 2.0;
      }
    }
    return ranks;
  }

  static double pearson(double[] x, double[] y) {
    double meanX = IntStream.range(0, x.length).mapToDouble(i -> x[i]).average().orElseThrow();
    double meanY = IntStream.range(0, y.length).mapToDouble(i -> y[i]).average().orElseThrow();
    double xx = 0;
    double yy = 0;
    double xy = 0;
    for (int i = 0; i < x.length; i++) {
      xx += (x[i] - meanX) * (x[i] - meanX);
      yy += (y[i] - meanY) * (y[i] - meanY);
      xy += (x[i] - meanX) * (y[i] - meanY);
    }
    if (xx == 0 || yy == 0) {
      throw new LatheException("all pairs are equally similar; there is no correlation to measure");
    }
    return xy / Math.sqrt(xx * yy);
  }
}

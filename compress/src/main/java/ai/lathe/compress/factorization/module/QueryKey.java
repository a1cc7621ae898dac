package ai.lathe.compress.factorization.module;

/**
 * Which features of query and key heads stay: a CR decomposition, that is plain columns of both, by
 * the product of their lengths.
 *
 * <p>The length of column {@code i} of {@code E[q q^T]^(1/2)} is the root of its diagonal, so the
 * squares of queries and keys are all there is to know. Features that are rotated together stay or
 * go together. Query heads of a group share one selection, by the sum over them.
 *
 * @see <a href="https://arxiv.org/abs/2408.09632">Lin et al., MoDeGPT, 2024, type II</a>
 */
final class QueryKey {

  private QueryKey() {}

  /**
   * The squares of scores: their order is that of scores.
   *
   * @param queries {@code [heads * headSize]} sums of squares, as they enter the product with keys
   * @param keys {@code [keyValueHeads * headSize]} likewise
   * @param paired feature {@code i} is rotated with {@code i + headSize / 2}
   * @return for each key-value head, of each feature or pair
   */
  static double[][] scores(
      double[] queries, double[] keys, int keyValueHeads, int headSize, boolean paired) {
    int group = queries.length / keys.length;
    int units = paired ? headSize / 2 : headSize;
    var scores = new double[keyValueHeads][units];
    for (int h = 0; h < keyValueHeads; h++) {
      for (int g = 0; g < group; g++) {
        int query = (h * group + g) * headSize;
        for (int i = 0; i < headSize; i++) {
          scores[h][i % units] += queries[query + i] * keys[h * headSize + i];
        }
      }
    }
    return scores;
  }

  /**
   * @param units of each key-value head that stay
   * @return for each head, ascending
   */
  static int[][] selected(double[][] scores, int units) {
    var kept = new int[scores.length][];
    for (int h = 0; h < kept.length; h++) {
      kept[h] = Nystroem.greatest(scores[h], units);
    }
    return kept;
  }

  /** Features of a head for the units that stay: the first of each pair, then the second. */
  static int[] features(int[] units, int headSize, boolean paired) {
    if (!paired) {
      return units.clone();
    }
    var features = new int[2 * units.length];
    for (int i = 0; i < units.length; i++) {
      features[i] = units[i];
      features[units.length + i] = units[i] + headSize / 2;
    }
    return features;
  }
}

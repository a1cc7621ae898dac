package ai.lathe.compress.factorization.module;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Random;
import org.junit.jupiter.api.Test;

class QueryKeyTest {

  private static final int HEAD = 12;
  private final double[] queries = squares(4 * HEAD, 1);
  private final double[] keys = squares(2 * HEAD, 2);

  private static double[] squares(int n, long seed) {
    return new Random(seed).doubles(n, 0, 10).toArray();
  }

  @Test
  void selectionsAreTheBestOfAll() {
    for (boolean paired : new boolean[] {false, true}) {
      var scores = QueryKey.scores(queries, keys, 2, HEAD, paired);
      int units = paired ? HEAD / 2 : HEAD;
      for (int size = 1; size <= units; size++) {
        var kept = QueryKey.selected(scores, size);
        for (int h = 0; h < 2; h++) {
          assertThat(kept[h]).hasSize(size).isSorted();
          assertThat(of(scores[h], kept[h])).isCloseTo(best(scores[h], size), within(1e-9));
        }
      }
    }
  }

  private static double of(double[] scores, int[] kept) {
    double sum = 0;
    for (int i : kept) {
      sum += scores[i];
    }
    return sum;
  }

  /** Over all subsets. */
  private static double best(double[] scores, int size) {
    double best = 0;
    for (int subset = 0; subset < 1 << scores.length; subset++) {
      if (Integer.bitCount(subset) == size) {
        double sum = 0;
        for (int i = 0; i < scores.length; i++) {
          sum += (subset >> i & 1) * scores[i];
        }
        best = Math.max(best, sum);
      }
    }
    return best;
  }

  @Test
  void aGroupSharesItsSelectionAndPairsStayTogether() {
    var scores = QueryKey.scores(queries, keys, 2, HEAD, true);
    // Heads 2 and 3 read the keys of head 1; features 4 and 10 turn together.
    double expected =
        queries[2 * HEAD + 4] * keys[HEAD + 4]
            + queries[2 * HEAD + 10] * keys[HEAD + 10]
            + queries[3 * HEAD + 4] * keys[HEAD + 4]
            + queries[3 * HEAD + 10] * keys[HEAD + 10];
    assertThat(scores[1][4]).isCloseTo(expected, within(1e-9));
    assertThat(QueryKey.features(new int[] {0, 4, 5}, HEAD, true))
        .containsExactly(0, 4, 5, 6, 10, 11);
    assertThat(QueryKey.features(new int[] {0, 7}, HEAD, false)).containsExactly(0, 7);
  }
}

package ai.lathe.eval;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.ArrayList;
import java.util.List;

/**
 * Divergence at some positions of all windows. Each range is twice as long as the one before, since
 * the first tokens of context matter most: 1, 2 to 3, 4 to 7, and so on.
 *
 * @param from fewest tokens of the window that the models had seen when they predicted the next
 * @param to most of them that were met
 * @param tokens predictions in this range
 * @param kl their mean {@code KL(reference || model)} in nats
 * @param error its standard error, taking tokens as independent
 */
public record PositionKl(
    @JsonProperty("from") int from,
    @JsonProperty("to") int to,
    @JsonProperty("tokens") long tokens,
    @JsonProperty("kl") double kl,
    @JsonProperty("error") double error) {

  /** Sums by range as predictions come in. */
  static final class Means {

    private final List<Mean> means = new ArrayList<>();
    private int longest;

    /**
     * @param seen tokens of the window before the predicted one, at least 1
     */
    void add(int seen, double divergence) {
      int range = Integer.SIZE - 1 - Integer.numberOfLeadingZeros(seen);
      while (means.size() <= range) {
        means.add(new Mean());
      }
      means.get(range).add(divergence);
      longest = Math.max(longest, seen);
    }

    List<PositionKl> result() {
      var ranges = new ArrayList<PositionKl>();
      for (int i = 0; i < means.size(); i++) {
        var mean = means.get(i);
        int from = 1 << i;
        int to = Math.min(longest, 2 * from - 1);
        ranges.add(new PositionKl(from, to, mean.count(), mean.mean(), mean.standardError()));
      }
      return ranges;
    }
  }
}

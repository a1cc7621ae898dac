package ai.lathe.eval;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.Arrays;

/**
 * How values are distributed. Percentiles lie on the line between the two nearest values.
 *
 * @param error standard error of the mean, taking values as independent
 */
public record Spread(
    @JsonProperty("mean") double mean,
    @JsonProperty("error") double error,
    @JsonProperty("min") double min,
    @JsonProperty("p1") double p1,
    @JsonProperty("p5") double p5,
    @JsonProperty("p10") double p10,
    @JsonProperty("median") double median,
    @JsonProperty("p90") double p90,
    @JsonProperty("p95") double p95,
    @JsonProperty("p99") double p99,
    @JsonProperty("p99_9") double p999,
    @JsonProperty("max") double max) {

  /** Of at least one value. */
  static Spread of(double[] values) {
    var mean = new Mean();
    for (double value : values) {
      mean.add(value);
    }
    var sorted = values.clone();
    Arrays.sort(sorted);
    return new Spread(
        mean.mean(),
        mean.standardError(),
        sorted[0],
        percentile(sorted, 0.01),
        percentile(sorted, 0.05),
        percentile(sorted, 0.1),
        percentile(sorted, 0.5),
        percentile(sorted, 0.9),
        percentile(sorted, 0.95),
        percentile(sorted, 0.99),
        percentile(sorted, 0.999),
        sorted[sorted.length - 1]);
  }

  private static double percentile(double[] sorted, double fraction) {
    double place = fraction * (sorted.length - 1);
    int below = (int) place;
    int above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
  }
}

package ai.lathe.compress.calibration;

import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.LayerStatistics.Range;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Rotated;
import ai.lathe.tensor.Sum;

/** The scale of inputs that is stored with a weight, from the range that calibration met. */
public final class InputScale {

  private InputScale() {}

  /** The weight with the scale that its activations need; itself where they need none. */
  public static LinearWeight calibrated(
      String name, LinearWeight weight, LayerStatistics statistics) {
    if (!weight.encoding().calibratesInput()) {
      return weight;
    }
    if (weight instanceof Sum(var parts)) {
      return new Sum(parts.stream().map(part -> calibrated(name, part, statistics)).toList());
    }
    statistics.requireFinite(name);
    var range =
        statistics
            .range()
            .orElseThrow(
                () -> new LatheException(name + ": the range of its input was not calibrated"));
    float largest =
        weight instanceof Rotated(int size, _) ? afterRotation(range, size) : largest(range);
    return weight.withInputScale(weight.activations().inputScale(largest));
  }

  private static float largest(Range range) {
    float largest = 0;
    for (int j = 0; j < range.least().length; j++) {
      largest = Math.max(largest, Math.max(-range.least()[j], range.greatest()[j]));
    }
    return largest;
  }

  /**
   * A bound: {@code |(x H)_k| <= sum |x_j| / sqrt(size)} over a block. Scales of groups under it
   * are floating-point numbers, to which a few binades more cost nothing.
   */
  private static float afterRotation(Range range, int size) {
    double largest = 0;
    for (int block = 0; block < range.least().length; block += size) {
      double sum = 0;
      for (int j = block; j < block + size; j++) {
        sum += Math.max(0, Math.max(-range.least()[j], range.greatest()[j]));
      }
      largest = Math.max(largest, sum / Math.sqrt(size));
    }
    return (float) largest;
  }
}

package ai.lathe.compress.report;

import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;

/**
 * How far a compressed matrix is from the original where no inputs are known.
 *
 * @param lost {@code ||W - Q||^2}
 * @param total {@code ||W||^2}
 */
public record WeightError(double lost, double total) {

  public static WeightError of(Matrix weight, LinearWeight compressed) {
    var decoded = compressed.decode().values();
    var original = weight.values();
    double lost = 0;
    double total = 0;
    for (int i = 0; i < original.length; i++) {
      double difference = original[i] - decoded[i];
      lost += difference * difference;
      total += (double) original[i] * original[i];
    }
    return new WeightError(lost, total);
  }

  /** Of both matrices, one above the other. */
  public WeightError plus(WeightError other) {
    return new WeightError(lost + other.lost, total + other.total);
  }

  /** 0 where nothing is lost; also for a matrix of zeros. */
  public double relative() {
    return total == 0 ? 0 : lost / total;
  }
}

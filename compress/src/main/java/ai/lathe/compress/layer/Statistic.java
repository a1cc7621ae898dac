package ai.lathe.compress.layer;

/** What a solver wants to know of a layer besides its weight. */
public enum Statistic {
  /**
   * Squared norm of each input feature over the calibration tokens: the diagonal of the Gram
   * matrix.
   */
  INPUT_SQUARED_NORM,
  /** Least and greatest value of each input feature over the calibration tokens. */
  INPUT_RANGE,
  /** Mean of {@code |x|} of each input feature over the calibration tokens. */
  INPUT_MAGNITUDE,
  /** Mean of each input feature over the calibration tokens. */
  INPUT_MEAN,
  /** {@code H = X X^T}, {@code [in, in]}. */
  GRAM
}

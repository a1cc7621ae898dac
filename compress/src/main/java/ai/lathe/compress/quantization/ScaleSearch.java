package ai.lathe.compress.quantization;

/** How an integer grid chooses the range that a group's codes cover. */
public enum ScaleSearch {
  /** From the smallest to the largest weight. */
  MIN_MAX,
  /** That range, or a narrower one where cutting off outliers lowers the error of the group. */
  MSE,
  /**
   * Likewise, and symmetric scales may be negative: codes reach one step further below zero than
   * above, and a negative scale gives that step to the side that needs it.
   */
  SIGNED_MSE
}

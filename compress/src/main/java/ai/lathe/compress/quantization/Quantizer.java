package ai.lathe.compress.quantization;

import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;

/**
 * One matrix on its way onto a {@link Grid}: fit each group, round each weight, take the result.
 * Different rows may be worked on by different threads.
 */
public interface Quantizer {

  /**
   * Sees the whole matrix as it is, before anything is fitted: for parameters that rows share. To
   * be called once, for every grid.
   */
  default void prepare(Matrix weight) {}

  /**
   * Chooses the parameters of a group, from its weights {@code values[at .. at + groupSize)}. They
   * are at once those that will be stored, so that weights are rounded on the grid that a reader
   * sees.
   */
  void fit(int row, int group, float[] values, int at);

  /**
   * Rows that share parameters. Rows {@code [k * rowsTogether, (k + 1) * rowsTogether)} are fitted
   * and settled before any of them is rounded.
   */
  default int rowsTogether() {
    return 1;
  }

  /**
   * Chooses what the fitted rows {@code [from, to)} of a group share.
   *
   * @param from a multiple of {@link #rowsTogether}
   * @param to the next one, or the number of rows
   */
  default void settle(int from, int to, int group) {}

  /**
   * Fits a group in rows {@code [from, to)} and settles it.
   *
   * @param at where the group begins in row {@code from}
   * @param stride from there to where it begins in the next row
   */
  default void fit(int from, int to, int group, float[] values, int at, int stride) {
    for (int row = from; row < to; row++) {
      fit(row, group, values, at + (row - from) * stride);
    }
    for (int row = from; row < to; row += rowsTogether()) {
      settle(row, Math.min(row + rowsTogether(), to), group);
    }
  }

  /**
   * Rounds {@code weight} to the grid, and keeps the code as that of input {@code column}. Its
   * group must have been fitted.
   *
   * @return the value that the code stands for
   */
  float round(int row, int column, float weight);

  /** The quantized matrix, once all its weights have been rounded. */
  LinearWeight finish();
}

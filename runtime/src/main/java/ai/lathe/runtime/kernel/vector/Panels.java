package ai.lathe.runtime.kernel.vector;

import java.util.Arrays;

/** Rows turned so that a column of all of them is consecutive. */
final class Panels {

  /** Columns that are turned at a time: a cache line of each row. */
  private static final int PIECE = 16;

  private Panels() {}

  /**
   * @param rows {@code [count][columns]}, {@code stride} apart
   * @param panel {@code [columns][width]} from {@code at}; zeros beyond {@code count}
   */
  static void turn(
      float[] rows, int stride, int count, int columns, float[] panel, int at, int width) {
    if (count < width) {
      Arrays.fill(panel, at, at + columns * width, 0);
    }
    for (int from = 0; from < columns; from += PIECE) {
      int to = Math.min(from + PIECE, columns);
      for (int i = 0; i < count; i++) {
        for (int k = from; k < to; k++) {
          panel[at + k * width + i] = rows[i * stride + k];
        }
      }
    }
  }
}

package ai.lathe.runtime.kernel.vector;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/** Rows turned so that a column of all of them is consecutive. */
final class Panels {

  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = SPECIES.length();
  private static final VectorShuffle<Float> LOW = VectorShuffle.makeZip(SPECIES, 0);
  private static final VectorShuffle<Float> HIGH = VectorShuffle.makeZip(SPECIES, 1);

  /** Columns that are decoded before they are turned: with a panel's rows, a first-level cache. */
  static final int COLUMNS = 128;

  /** Vectors of {@link #COLUMNS}, a power of two, and its logarithm. */
  private static final int BLOCKS = COLUMNS / LANES;

  private static final int PLACES = Integer.numberOfTrailingZeros(BLOCKS);

  /** Columns that are turned one by one at a time: a cache line of each row. */
  private static final int PIECE = 16;

  /** Most rows for which passes of shuffles are faster than moving numbers one by one. */
  private static final int ZIPPED = 8;

  private Panels() {}

  /**
   * @param rows {@code [count][columns]}, {@link #COLUMNS} apart; what is behind them is changed
   * @param width a power of two
   * @param panel {@code [columns][width]} from {@code at}; zeros beyond {@code count}
   */
  static void turn(float[] rows, int count, int columns, float[] panel, int at, int width) {
    if (columns == COLUMNS && width <= ZIPPED) {
      Arrays.fill(rows, count * COLUMNS, width * COLUMNS, 0);
      zip(rows, panel, at, width);
      return;
    }
    if (count < width) {
      Arrays.fill(panel, at, at + columns * width, 0);
    }
    for (int from = 0; from < columns; from += PIECE) {
      int to = Math.min(from + PIECE, columns);
      for (int i = 0; i < count; i++) {
        for (int k = from; k < to; k++) {
          panel[at + k * width + i] = rows[i * COLUMNS + k];
        }
      }
    }
  }

  /** Floats that {@link #turn} needs for so many rows. */
  static int space(int width) {
    return (width <= ZIPPED ? 3 : 1) * width * COLUMNS;
  }

  /**
   * Interleaves the first half of the rows with the second, and what comes of it likewise, until
   * each number has all its neighbours: as many passes as the width has halves.
   */
  private static void zip(float[] rows, float[] panel, int at, int width) {
    int half = width / 2;
    int size = width * COLUMNS;
    int from = 0;
    for (int done = 1; done < width; done *= 2) {
      boolean first = done == 1;
      boolean last = 2 * done == width;
      int to = from == size ? 2 * size : size;
      zip(
          rows,
          from,
          first ? COLUMNS : LANES,
          first ? LANES : width * LANES,
          last ? panel : rows,
          last ? at : to,
          half);
      from = to;
    }
  }

  /**
   * @param step from one row to the next
   * @param gap from one block of {@link #LANES} columns to the next
   * @param to block after block, in each the rows' interleaved vectors
   */
  private static void zip(
      float[] from, int fromAt, int step, int gap, float[] to, int toAt, int half) {
    for (int j = 0; j < half * BLOCKS; j++) {
      int block = j & BLOCKS - 1;
      int row = j >> PLACES;
      int at = fromAt + row * step + block * gap;
      var a = FloatVector.fromArray(SPECIES, from, at);
      var b = FloatVector.fromArray(SPECIES, from, at + half * step);
      int target = toAt + 2 * (block * half + row) * LANES;
      a.rearrange(LOW, b).intoArray(to, target);
      a.rearrange(HIGH, b).intoArray(to, target + LANES);
    }
  }
}

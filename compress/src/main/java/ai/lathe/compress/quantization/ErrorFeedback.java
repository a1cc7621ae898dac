package ai.lathe.compress.quantization;

import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.Parallel;
import ai.lathe.tensor.linalg.View;

/**
 * The sweep that GPTQ and SparseGPT share. Input by input, every weight is replaced by another
 * value, and what that changes is made up for in the inputs that are still to come:
 *
 * <pre>
 *   for each input j:   q_j = replace(w_j)      e_j = (w_j - q_j) / U_jj      w_k -= e_j U_jk  (k > j)
 * </pre>
 */
public final class ErrorFeedback {

  /** Rows whose weights of one block stay in the nearest cache while they are replaced. */
  private static final int TILE = 8;

  /** What becomes of the weights. Different rows may be worked on by different threads. */
  public interface Replacement {

    /** Before inputs {@code [from, to)} of all rows, in which {@code w} is up to date. */
    default void block(int from, int to) {}

    /**
     * Before input {@code j} of rows {@code [begin, end)}, in which {@code w} is up to date as far
     * as the block goes.
     */
    default void input(int j, int begin, int end) {}

    /** What takes the place of {@code value}, the weight as it is by now. */
    float replace(int row, int j, float value);

    /** Rows that {@link #input} must see together. */
    default int rowsTogether() {
      return 1;
    }
  }

  private ErrorFeedback() {}

  /**
   * Replaces rows {@code [first, last)} of {@code w}, and leaves {@code E} in their place.
   *
   * @param u {@code U [in, in]}, upper triangular
   * @param blockSize inputs after which the rest of the row is brought up to date
   * @param unit inputs that are not divided between blocks, as far as a block has room for them; 0
   *     for none
   */
  public static void sweep(
      Matrix w, int first, int last, Matrix u, Replacement replacement, int blockSize, int unit) {
    int n = w.columns();
    int together = replacement.rowsTogether();
    int tall = Math.ceilDiv(TILE, together) * together;
    int start = 0;
    while (start < n) {
      int from = start;
      int to = blockEnd(from, n, blockSize, unit);
      replacement.block(from, to);
      // Rows do not depend on each other; columns after the block are brought up to date behind it.
      Parallel.forEach(
          Math.ceilDiv(last - first, tall),
          tile -> {
            int begin = first + tile * tall;
            int end = Math.min(begin + tall, last);
            for (int j = from; j < to; j++) {
              replacement.input(j, begin, end);
              for (int row = begin; row < end; row++) {
                int at = row * n + j;
                float value = w.values()[at];
                float error = (value - replacement.replace(row, j, value)) / u.at(j, j);
                // A weight that only may become zero often does not change at all.
                if (error != 0) {
                  Gemm.axpy(to - j - 1, -error, u.values(), j * n + j + 1, w.values(), at + 1);
                }
                w.values()[at] = error;
              }
            }
          });
      Gemm.subtract(
          View.of(w, first, last, to, n),
          View.of(w, first, last, from, to),
          View.of(u, from, to, to, n));
      start = to;
    }
  }

  /**
   * Where the block that begins at {@code from} ends: after {@code blockSize} inputs, or before a
   * unit that would begin in it and end outside. So a group's fit sees all that came before it.
   */
  private static int blockEnd(int from, int n, int blockSize, int unit) {
    if (from + blockSize >= n) {
      return n;
    }
    int to = from + blockSize;
    int whole = unit == 0 ? from : to / unit * unit;
    return whole > from ? whole : to;
  }
}

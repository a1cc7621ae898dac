package ai.lathe.compress.quantization;

import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.Parallel;
import ai.lathe.tensor.linalg.View;
import java.util.stream.IntStream;

/**
 * Chooses the codes of all blocks, one column of blocks after the other, each with regard to what
 * the ones before did to the layer's output. Two ways, for {@code W - Q} in {@code tr((W - Q) H (W
 * - Q)^T)}:
 *
 * <ul>
 *   <li>{@link #feedback}: from nothing, GPTQ's way. With {@code H^-1 = U^T U} the error of block
 *       {@code J} is moved into the columns that are still to come: {@code E_J = (W_J - Q_J)
 *       U_JJ^-1}, {@code W_k -= E_J U_Jk}; the block's best entry is the one with the least {@code
 *       |E_J|}.
 *   <li>{@link #descent}: from a {@code Q} that is there, coordinate descent. With all other blocks
 *       as they are, the loss is {@code |(Y_J - Q_J) L|^2} plus a constant, {@code H_JJ = L L^T},
 *       {@code Y_J = Q_J + ((W - Q) H)_J H_JJ^-1}. It never raises the loss.
 * </ul>
 *
 * Rows of blocks do not depend on each other and are worked on in parallel.
 */
final class BlockPass {

  /** Outputs of a task, about: their part of a panel stays in the nearest cache. */
  private static final int TILE = 64;

  /** Inputs whose effect on later ones is collected; a matter of speed. */
  private static final int PANEL = 128;

  private final BlockCodes codes;
  private final int width;
  private final int tall;
  private final int wide;
  private final int count;

  /**
   * @param width of the beam in {@link EntrySearch}
   */
  BlockPass(BlockCodes codes, int width) {
    this.codes = codes;
    this.width = width;
    tall = codes.encoding.outGroup();
    wide = codes.encoding.inGroup();
    count = codes.books.length;
  }

  /** What is done with one column of blocks. */
  private interface Step {

    /** {@code [wide, wide]}: in which coordinates nearest is nearest. */
    float[] metric(int position);

    /** What {@link EntrySearch} shall come near to, in plain coordinates, before the metric. */
    void target(int position, int row, float[] y, int at);

    /**
     * Takes note of the chosen codes, and writes into {@code moved} what later columns are to be
     * relieved of, per coupling.
     */
    void chosen(int position, int row, Matrix moved, int movedRow);
  }

  /**
   * Codes from scratch with error feedback.
   *
   * @param w {@code W^T}, its inputs in {@code order}; overwritten
   * @param u of the inputs in that order
   * @param order the column of blocks that stands at each position
   */
  void feedback(Matrix w, Matrix u, int[] order) {
    int out = codes.out;
    var inverse = new float[codes.across][];
    Parallel.forEach(codes.across, p -> inverse[p] = BlockMetric.inverseOfUpper(u, p * wide, wide));
    java.util.Arrays.fill(codes.codes, -1);
    var step =
        new Step() {
          @Override
          public float[] metric(int position) {
            return inverse[position];
          }

          @Override
          public void target(int position, int row, float[] y, int at) {
            for (int a = 0; a < tall; a++) {
              for (int b = 0; b < wide; b++) {
                y[at + a * wide + b] =
                    w.values()[(position * wide + b) * out + row * tall + a] / codes.scales[row];
              }
            }
          }

          @Override
          public void chosen(int position, int row, Matrix moved, int movedRow) {
            var error = new float[wide];
            var e = new float[wide];
            for (int a = 0; a < tall; a++) {
              for (int b = 0; b < wide; b++) {
                error[b] =
                    w.values()[(position * wide + b) * out + row * tall + a]
                        - codes.scales[row]
                            * codes.entry(codes.codes, order[position], row, a * wide + b);
              }
              BlockMetric.multiply(error, 0, wide, inverse[position], e, 0);
              for (int b = 0; b < wide; b++) {
                moved.values()[(movedRow + b) * out + row * tall + a] = e[b];
              }
            }
          }
        };
    run(w, u, order, step);
  }

  /**
   * Better codes for what is there, with {@code H} as it is.
   *
   * @param h {@code H [in, in]}, positive definite
   * @param pending {@code H (W - Q)^T [in, out]}; overwritten
   */
  void descent(Matrix h, Matrix pending) {
    int out = codes.out;
    var factor = new float[codes.across][];
    var inverse = new float[codes.across][];
    Parallel.forEach(
        codes.across,
        p -> {
          factor[p] = BlockMetric.factor(h, p * wide, wide);
          inverse[p] = BlockMetric.inverse(factor[p], wide);
        });
    var order = IntStream.range(0, codes.across).toArray();
    // What the tile's blocks were before, one column of blocks at a time.
    var before = new float[wide * out];
    var step =
        new Step() {
          @Override
          public float[] metric(int position) {
            return factor[position];
          }

          @Override
          public void target(int position, int row, float[] y, int at) {
            var g = new float[wide];
            var shift = new float[wide];
            for (int a = 0; a < tall; a++) {
              for (int b = 0; b < wide; b++) {
                g[b] = pending.values()[(position * wide + b) * out + row * tall + a];
              }
              BlockMetric.multiply(g, 0, wide, inverse[position], shift, 0);
              for (int b = 0; b < wide; b++) {
                float now = codes.entry(codes.codes, position, row, a * wide + b);
                before[b * out + row * tall + a] = now;
                y[at + a * wide + b] = now + shift[b] / codes.scales[row];
              }
            }
          }

          @Override
          public void chosen(int position, int row, Matrix moved, int movedRow) {
            for (int a = 0; a < tall; a++) {
              for (int b = 0; b < wide; b++) {
                int at = b * out + row * tall + a;
                moved.values()[movedRow * out + at] =
                    codes.scales[row]
                        * (codes.entry(codes.codes, position, row, a * wide + b) - before[at]);
              }
            }
          }
        };
    run(pending, h, order, step);
  }

  private void run(Matrix pending, Matrix coupling, int[] order, Step step) {
    int out = codes.out;
    int in = codes.columns;
    int panel = Math.max(1, PANEL / wide);
    int blocksATile = Math.max(1, TILE / tall);
    var shared = wide == 1 ? new EntrySearch(codes.books, tall, width) : null;
    for (int from = 0; from < codes.across; from += panel) {
      int first = from;
      int last = Math.min(from + panel, codes.across);
      var moved = Matrix.zeros((last - first) * wide, out);
      var searches = new EntrySearch[last - first];
      Parallel.forEach(
          last - first, i -> searches[i] = shared != null ? shared : search(step, first + i));
      Parallel.forEach(
          Math.ceilDiv(codes.down, blocksATile),
          tile -> {
            int top = tile * blocksATile;
            int bottom = Math.min(top + blocksATile, codes.down);
            var y = new float[(bottom - top) * tall * wide];
            var plain = new float[tall * wide];
            var chosen = new int[(bottom - top) * count];
            for (int p = first; p < last; p++) {
              int at = (order[p] * codes.down + top) * count;
              for (int row = top; row < bottom; row++) {
                step.target(p, row, plain, 0);
                int to = (row - top) * tall * wide;
                if (shared != null) {
                  System.arraycopy(plain, 0, y, to, tall);
                } else {
                  for (int a = 0; a < tall; a++) {
                    BlockMetric.multiply(plain, a * wide, wide, step.metric(p), y, to + a * wide);
                  }
                }
              }
              System.arraycopy(codes.codes, at, chosen, 0, chosen.length);
              searches[p - first].search(y, bottom - top, chosen);
              System.arraycopy(chosen, 0, codes.codes, at, chosen.length);
              for (int row = top; row < bottom; row++) {
                step.chosen(p, row, moved, (p - first) * wide);
              }
              int left = top * tall;
              int size = (bottom - top) * tall;
              for (int b = 0; b < wide; b++) {
                int j = p * wide + b;
                for (int k = (p + 1) * wide; k < last * wide; k++) {
                  Gemm.axpy(
                      size,
                      -coupling.at(j, k),
                      moved.values(),
                      (j - first * wide) * out + left,
                      pending.values(),
                      k * out + left);
                }
              }
            }
          });
      int to = last * wide;
      Gemm.subtract(
          View.of(pending, to, in, 0, out),
          View.of(coupling, first * wide, to, to, in).transposed(),
          View.of(moved));
    }
  }

  private EntrySearch search(Step step, int position) {
    var books = BlockMetric.multiply(codes.books, wide, step.metric(position));
    return new EntrySearch(books, tall * wide, width);
  }
}

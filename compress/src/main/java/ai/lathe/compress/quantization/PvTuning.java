package ai.lathe.compress.quantization;

import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Parallel;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * PV-Tuning on a layer's own loss. A V step moves codes, and only those of a small share of all
 * blocks; a P step moves codebooks and scales.
 *
 * <p>The V step's buffer is each block's best value with all others as they are, {@code Y_J = Q_J +
 * ((W - Q) H)_J H_JJ^-1}: the loss is quadratic, so that is a Newton step where the paper takes one
 * of Adam. Codes nearest to the buffer are searched for all blocks; those of the blocks that gain
 * most go in, as long as each still lowers the loss of its row together with those that went in
 * before. What two blocks do to each other is {@code 2 d_J H_JK d_K^T}, so this is known exactly.
 *
 * @see <a href="https://arxiv.org/abs/2405.14852">Malinovskii et al., PV-Tuning, 2024</a>
 */
final class PvTuning {

  /** Of conjugate gradients in a P step: few codes have changed since the last one. */
  private static final int STEPS = 5;

  private final CodebookSearch search;
  private final BlockCodes codes;
  private final int beam;
  private final int tall;
  private final int wide;
  private final int count;

  PvTuning(CodebookSearch search, int beam) {
    this.search = search;
    this.codes = search.state();
    this.beam = beam;
    tall = codes.encoding.outGroup();
    wide = codes.encoding.inGroup();
    count = codes.books.length;
  }

  /** Takes steps of both kinds in turn, the P step first, until a V step changes nothing. */
  void run(int steps, double share) {
    boolean moving = true;
    for (int step = 0; step < steps && moving; step++) {
      search.fit(STEPS);
      moving = codes(share) > 0;
    }
  }

  /**
   * A V step.
   *
   * @param share of all blocks that may change
   * @return how many did
   */
  int codes(double share) {
    int blocks = codes.across * codes.down;
    var found = codes.codes.clone();
    // What each change does to the weight, [across, down, outGroup, inGroup], and what it gains.
    var change = new float[blocks * tall * wide];
    var gains = new float[blocks];
    var pending = search.pending();
    Parallel.forEach(codes.across, block -> propose(block, pending, found, change, gains));
    var sorted = gains.clone();
    Arrays.sort(sorted);
    int most = (int) (share * blocks);
    if (most == 0) {
      return 0;
    }
    float least = Math.max(sorted[blocks - most], Float.MIN_VALUE);
    var changed = new int[codes.down];
    Parallel.forEach(codes.down, row -> changed[row] = accept(row, least, found, change, gains));
    return IntStream.of(changed).sum();
  }

  /** The best codes of each block of a column of blocks, all other blocks as they are. */
  private void propose(int block, Matrix pending, int[] found, float[] change, float[] gains) {
    var l = BlockMetric.factor(search.gram(), block * wide, wide);
    var inverse = BlockMetric.inverse(l, wide);
    var books = BlockMetric.multiply(codes.books, wide, l);
    int size = tall * wide;
    var y = new float[codes.down * size];
    var gradient = new float[wide];
    var shift = new float[wide];
    for (int row = 0; row < codes.down; row++) {
      for (int a = 0; a < tall; a++) {
        for (int b = 0; b < wide; b++) {
          gradient[b] = pending.values()[(block * wide + b) * codes.out + row * tall + a];
        }
        BlockMetric.multiply(gradient, 0, wide, inverse, shift, 0);
        for (int b = 0; b < wide; b++) {
          shift[b] =
              shift[b] / codes.scales[row] + codes.entry(codes.codes, block, row, a * wide + b);
        }
        BlockMetric.multiply(shift, 0, wide, l, y, row * size + a * wide);
      }
    }
    int from = block * codes.down * count;
    var chosen = Arrays.copyOfRange(found, from, from + codes.down * count);
    new EntrySearch(books, size, beam).search(y, codes.down, chosen);
    System.arraycopy(chosen, 0, found, from, chosen.length);
    for (int row = 0; row < codes.down; row++) {
      int at = (block * codes.down + row) * size;
      double before = 0;
      double after = 0;
      for (int d = 0; d < size; d++) {
        change[at + d] =
            codes.scales[row]
                * (codes.entry(found, block, row, d) - codes.entry(codes.codes, block, row, d));
        double target = y[row * size + d];
        double was = target - sum(books, codes.codes, block, row, d);
        double is = target - sum(books, found, block, row, d);
        before += was * was;
        after += is * is;
      }
      double scale = codes.scales[row];
      gains[block * codes.down + row] = (float) (scale * scale * (before - after));
    }
  }

  private float sum(float[][] books, int[] chosen, int block, int row, int within) {
    float sum = 0;
    int at = (block * codes.down + row) * count;
    for (int m = 0; m < count; m++) {
      sum += books[m][chosen[at + m] * tall * wide + within];
    }
    return sum;
  }

  /** Takes a row's changes, largest gain first, each only if it gains with those taken before. */
  private int accept(int row, float least, int[] found, float[] change, float[] gains) {
    var candidates =
        IntStream.range(0, codes.across)
            .filter(block -> gains[block * codes.down + row] >= least)
            .boxed()
            .sorted(
                (a, b) -> Float.compare(gains[b * codes.down + row], gains[a * codes.down + row]))
            .mapToInt(Integer::intValue)
            .toArray();
    int taken = 0;
    for (int i = 0; i < candidates.length; i++) {
      double gain = gains[candidates[i] * codes.down + row];
      for (int k = 0; k < taken; k++) {
        gain -= 2 * interaction(row, candidates[i], candidates[k], change);
      }
      if (gain > 0) {
        int at = (candidates[i] * codes.down + row) * count;
        System.arraycopy(found, at, codes.codes, at, count);
        candidates[taken++] = candidates[i];
      }
    }
    return taken;
  }

  /** {@code d_J H_JK d_K^T}. */
  private double interaction(int row, int first, int second, float[] change) {
    double sum = 0;
    int size = tall * wide;
    int one = (first * codes.down + row) * size;
    int other = (second * codes.down + row) * size;
    for (int a = 0; a < tall; a++) {
      for (int i = 0; i < wide; i++) {
        for (int j = 0; j < wide; j++) {
          sum +=
              (double) change[one + a * wide + i]
                  * search.gram().at(first * wide + i, second * wide + j)
                  * change[other + a * wide + j];
        }
      }
    }
    return sum;
  }
}

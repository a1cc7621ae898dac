package ai.lathe.compress.pruning;

import ai.lathe.compress.quantization.ErrorFeedback;
import ai.lathe.compress.quantization.InverseFactor;
import ai.lathe.compress.quantization.Quantizer;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.linalg.Parallel;
import java.util.Arrays;
import java.util.Optional;

/**
 * What SparseGPT does with each weight as its sweep comes to it: chooses the zeros of a block of
 * inputs, or of {@code m}, and puts every weight on the grid where there is one.
 */
final class PruningSweep implements ErrorFeedback.Replacement {

  private final int rows;
  private final int columns;
  private final int words;
  private final Matrix w;
  private final Matrix u;
  private final Matrix result;
  private final Sparsity sparsity;
  private final int blockSize;
  private final int unit;
  private final boolean chosen;
  private final long[] keep;
  private final Optional<long[]> zero;
  private final Optional<Quantizer> quantizer;
  private final int groupSize;

  /**
   * @param weight {@code W [out, in]}; not changed
   * @param fixed which weights stay, where that is not to be chosen
   */
  PruningSweep(Matrix weight, InverseFactor factor, SparseGpt.Config level, Optional<Mask> fixed) {
    rows = weight.rows();
    columns = weight.columns();
    words = Math.ceilDiv(columns, 64);
    w = weight.copy();
    u = factor.upper().orElseGet(() -> InverseFactor.identity(columns));
    result = Matrix.zeros(rows, columns);
    sparsity = level.sparsity();
    zero = level.preserve() ? zeros(weight) : Optional.empty();
    chosen = fixed.isPresent();
    keep = fixed.map(this::bits).orElseGet(() -> new long[rows * words]);
    if (factor.upper().isPresent()) {
      for (int dead : factor.dead()) {
        for (int row = 0; row < rows; row++) {
          w.set(row, dead, 0);
        }
      }
    }
    if (level.kept() instanceof Kept.Rounded(var grid, var feedback) && feedback.isPresent()) {
      var levels = grid.quantizer(rows, columns, null, null);
      levels.prepare(weight);
      quantizer = Optional.of(levels);
      groupSize = grid.groupSize(columns);
    } else {
      quantizer = Optional.empty();
      groupSize = 1;
    }
    int step =
        switch (sparsity.pattern()) {
          case Pattern.Unstructured _ -> 1;
          case Pattern.SemiStructured(_, int of) -> of;
          case Pattern.Blocks(_, int wide) -> wide;
        };
    // A group that is a whole row begins where a block does; others should not be cut, nor should
    // what is chosen together.
    unit = leastCommonMultiple(groupSize < columns ? groupSize : 1, step);
    blockSize = Math.ceilDiv(level.blockSize(), unit) * unit;
  }

  private static int leastCommonMultiple(int a, int b) {
    int x = a;
    int y = b;
    while (y != 0) {
      int rest = x % y;
      x = y;
      y = rest;
    }
    return Math.multiplyExact(a / x, b);
  }

  private long[] bits(Mask mask) {
    var bits = new long[rows * words];
    for (int row = 0; row < rows; row++) {
      for (int word = 0; word < words; word++) {
        bits[row * words + word] = mask.word(row, word);
      }
    }
    return bits;
  }

  /** Weights that are zero already; empty where there are none. */
  private Optional<long[]> zeros(Matrix weight) {
    var bits = new long[rows * words];
    Parallel.forEach(
        rows,
        row -> {
          for (int at = row * columns, j = 0; j < columns; j++) {
            if (weight.values()[at + j] == 0) {
              bits[row * words + (j >> 6)] |= 1L << j;
            }
          }
        });
    return Arrays.stream(bits).allMatch(word -> word == 0) ? Optional.empty() : Optional.of(bits);
  }

  /** The weights of the sweep; {@code E} once it is done. */
  Matrix weights() {
    return w;
  }

  Matrix upper() {
    return u;
  }

  int blockSize() {
    return blockSize;
  }

  int unit() {
    return unit;
  }

  /** {@code Q}, once the sweep is done. */
  Matrix result() {
    return result;
  }

  Mask mask() {
    return new Mask(rows, columns, keep);
  }

  /** Has the codes of {@link #result}; empty where that is in floating point. */
  Optional<Quantizer> quantizer() {
    return quantizer;
  }

  @Override
  public int rowsTogether() {
    return quantizer.map(Quantizer::rowsTogether).orElse(1);
  }

  @Override
  public void block(int from, int to) {
    if (chosen) {
      return;
    }
    switch (sparsity.pattern()) {
      case Pattern.Unstructured _ -> choose(from, to, 1, 1);
      case Pattern.SemiStructured _ -> {}
      case Pattern.Blocks(int high, int wide) -> choose(from, to, high, wide);
    }
  }

  /**
   * Keeps all but the cheapest of the blocks of {@code high} outputs and {@code wide} inputs. Zeros
   * are counted up to the end of the inputs {@code [from, to)}, so that in the end they are exactly
   * as many as asked for.
   */
  private void choose(int from, int to, int high, int wide) {
    int across = (to - from) / wide;
    var costs = new float[rows / high * across];
    Parallel.forEach(
        rows / high,
        block -> {
          var e = new double[wide];
          for (int k = 0; k < across; k++) {
            double cost = 0;
            for (int row = block * high; row < (block + 1) * high; row++) {
              cost += cost(row, from + k * wide, e);
            }
            costs[block * across + k] = (float) cost;
          }
        });
    long count = zeros(to, high, wide) - zeros(from, high, wide);
    Selection.lowest(costs, 0, costs.length, count);
    Parallel.forEach(
        rows,
        row -> {
          int first = row / high * across;
          for (int j = from; j < to; j++) {
            if (costs[first + (j - from) / wide] >= 0) {
              keep[row * words + (j >> 6)] |= 1L << j;
            }
          }
        });
  }

  /** Blocks that become zero in the first inputs. */
  private long zeros(int inputs, int high, int wide) {
    long blocks = (long) (rows / high) * (inputs / wide);
    return Math.round(blocks * sparsity.share());
  }

  /**
   * What it costs to make some neighbours of a row zero: the sum of their {@code e_j^2} if they are
   * eliminated one after the other, which is {@code w_Q [(H^-1)_QQ]^-1 w_Q^T}. Those that are zero
   * already cost nothing.
   *
   * @param e room for as many as they are
   */
  double cost(int row, int at, double[] e) {
    double cost = 0;
    for (int k = 0; k < e.length; k++) {
      double value = isZero(row, at + k) ? 0 : w.at(row, at + k);
      for (int i = 0; i < k; i++) {
        value -= e[i] * u.at(at + i, at + k);
      }
      e[k] = value / u.at(at + k, at + k);
      cost += e[k] * e[k];
    }
    return cost;
  }

  private boolean isZero(int row, int j) {
    return zero.isPresent() && (zero.get()[row * words + (j >> 6)] >>> j & 1) != 0;
  }

  @Override
  public void input(int j, int begin, int end) {
    if (!chosen
        && sparsity.pattern() instanceof Pattern.SemiStructured(int kept, int of)
        && j % of == 0) {
      choose(j, begin, end, kept, of);
    }
    if (quantizer.isPresent() && j % groupSize == 0) {
      fit(quantizer.get(), j, begin, end);
    }
  }

  /** Of {@code m} neighbours the {@code n} that would cost most, each by itself. */
  private void choose(int j, int begin, int end, int kept, int of) {
    var costs = new float[of];
    for (int row = begin; row < end; row++) {
      for (int k = 0; k < of; k++) {
        float e = isZero(row, j + k) ? 0 : w.at(row, j + k) / u.at(j + k, j + k);
        costs[k] = e * e;
      }
      Selection.lowest(costs, 0, of, of - kept);
      for (int k = 0; k < of; k++) {
        if (costs[k] >= 0) {
          keep[row * words + (j + k >> 6)] |= 1L << j + k;
        }
      }
    }
  }

  /** To the weights of a group as they are by now, without those that are known to become zero. */
  private void fit(Quantizer levels, int j, int begin, int end) {
    boolean known = chosen || !(sparsity.pattern() instanceof Pattern.SemiStructured);
    int until = chosen ? columns : Math.min(columns, (j / blockSize + 1) * blockSize);
    var values = new float[(end - begin) * groupSize];
    for (int row = begin; row < end; row++) {
      for (int k = 0; k < groupSize; k++) {
        boolean gone = known && j + k < until && !keeps(row, j + k) || isZero(row, j + k);
        values[(row - begin) * groupSize + k] = gone ? 0 : w.at(row, j + k);
      }
    }
    levels.fit(begin, end, j / groupSize, values, 0, groupSize);
  }

  private boolean keeps(int row, int j) {
    return (keep[row * words + (j >> 6)] >>> j & 1) != 0;
  }

  @Override
  public float replace(int row, int j, float value) {
    float kept = keeps(row, j) && !isZero(row, j) ? value : 0;
    float q = quantizer.isPresent() ? quantizer.get().round(row, j, kept) : kept;
    result.set(row, j, q);
    return q;
  }
}

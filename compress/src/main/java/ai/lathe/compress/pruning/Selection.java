package ai.lathe.compress.pruning;

import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.linalg.Cut;
import ai.lathe.tensor.linalg.Parallel;

/**
 * The weights that stay, by a score each: those of the greatest score, as many as the sparsity
 * leaves, in its pattern. A block counts with the root of the sum of its squared scores. Of equal
 * scores the first go first.
 */
final class Selection {

  private Selection() {}

  /**
   * Weights that become zero.
   *
   * @param scope {@link Scope#ROW} for {@code int(columns * share)} of each row, or of its blocks
   */
  static long zeros(int rows, int columns, Sparsity sparsity, Scope scope) {
    if (scope != Scope.ROW || sparsity.pattern() instanceof Pattern.SemiStructured) {
      return (long) rows * columns - sparsity.pattern().kept(rows, columns, sparsity.share());
    }
    int high = sparsity.pattern() instanceof Pattern.Blocks(int tall, _) ? tall : 1;
    int wide = sparsity.pattern() instanceof Pattern.Blocks(_, int across) ? across : 1;
    return (long) (columns / wide * sparsity.share()) * (rows / high) * high * wide;
  }

  /**
   * @param scores {@code [rows, columns]}, none negative; not to be used any more
   */
  static Mask keepGreatest(Matrix scores, Sparsity sparsity, Scope scope) {
    int rows = scores.rows();
    int columns = scores.columns();
    return switch (sparsity.pattern()) {
      case Pattern.Unstructured _ -> {
        lowest(scores, zeros(rows, columns, sparsity, scope), scope);
        yield mask(scores, 1, 1, rows, columns);
      }
      case Pattern.SemiStructured(int kept, int of) -> {
        Parallel.forEach(
            rows,
            row -> {
              for (int j = 0; j < columns; j += of) {
                lowest(scores.values(), row * columns + j, of, of - kept);
              }
            });
        yield mask(scores, 1, 1, rows, columns);
      }
      case Pattern.Blocks(int high, int wide) -> {
        var blocks = units(scores, sparsity.pattern());
        long zeros = zeros(rows, columns, sparsity, scope) / ((long) high * wide);
        lowest(blocks, zeros, scope);
        yield mask(blocks, high, wide, rows, columns);
      }
    };
  }

  /** Marks the lowest {@code k} of {@code scores[at .. at + count)} with -1; for few scores. */
  static void lowest(float[] scores, int at, int count, int k) {
    for (int removed = 0; removed < k; removed++) {
      int least = -1;
      for (int i = at; i < at + count; i++) {
        if (scores[i] >= 0 && (least < 0 || scores[i] < scores[least])) {
          least = i;
        }
      }
      scores[least] = -1;
    }
  }

  private static void lowest(Matrix scores, long zeros, Scope scope) {
    int columns = scores.columns();
    if (scope == Scope.ROW) {
      long each = zeros / scores.rows();
      Parallel.forEach(
          scores.rows(), row -> lowest(scores.values(), row * columns, (row + 1) * columns, each));
    } else {
      lowest(scores.values(), 0, scores.values().length, zeros);
    }
  }

  /** Marks the lowest {@code k} of {@code scores[from .. to)} with -1. */
  static void lowest(float[] scores, int from, int to, long k) {
    var cut = Cut.of(k, scores, from, to);
    long ties = cut.ties();
    for (int i = from; i < to && k > 0; i++) {
      if (scores[i] < cut.threshold() || scores[i] == cut.threshold() && ties-- > 0) {
        scores[i] = -1;
      }
    }
  }

  /** The scores of what becomes zero together: blocks, or else each weight. */
  static Matrix units(Matrix scores, Pattern pattern) {
    if (!(pattern instanceof Pattern.Blocks(int high, int wide))) {
      return scores;
    }
    var blocks = Matrix.zeros(scores.rows() / high, scores.columns() / wide);
    Parallel.forEach(
        blocks.rows(),
        row -> {
          var sums = new double[blocks.columns()];
          for (int i = row * high; i < (row + 1) * high; i++) {
            for (int j = 0; j < scores.columns(); j++) {
              double score = scores.at(i, j);
              sums[j / wide] += score * score;
            }
          }
          for (int j = 0; j < sums.length; j++) {
            blocks.set(row, j, (float) Math.sqrt(sums[j]));
          }
        });
    return blocks;
  }

  /** Keeps the weights whose block is not marked. */
  private static Mask mask(Matrix blocks, int high, int wide, int rows, int columns) {
    int words = Math.ceilDiv(columns, 64);
    var bits = new long[rows * words];
    Parallel.forEach(
        blocks.rows(),
        row -> {
          int first = row * high * words;
          for (int j = 0; j < columns; j++) {
            if (blocks.at(row, j / wide) >= 0) {
              bits[first + (j >> 6)] |= 1L << j;
            }
          }
          for (int i = 1; i < high; i++) {
            System.arraycopy(bits, first, bits, first + i * words, words);
          }
        });
    return new Mask(rows, columns, bits);
  }
}

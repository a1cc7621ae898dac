package ai.lathe.compress.quantization;

import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.Nearest;
import java.util.Arrays;

/**
 * Finds for a vector the codebook entries whose sum is nearest to it: {@code min |y - C_1[c_1] -
 * ... - C_M[c_M]|^2}. With one codebook that is the nearest entry. With several it is a beam
 * search: codebook after codebook, every hypothesis is continued with every entry in place of the
 * one that it has, and the best {@code width} go on. As wide as there are combinations of all
 * codebooks but the last, it tries them all.
 */
final class EntrySearch {

  private final int length;
  private final int count;
  private final int width;
  private final Nearest single;

  /** For each codebook {@code [length, entries]}, and {@code |c|^2 / 2} of each entry. */
  private final float[][] columns;

  private final float[][] halves;

  /** Entries of the largest codebook. */
  private final int largest;

  private final float[][] books;

  /**
   * @param books for each codebook {@code [entries, length]}
   * @param width hypotheses kept
   */
  EntrySearch(float[][] books, int length, int width) {
    this.books = books;
    this.length = length;
    this.count = books.length;
    this.width = width;
    this.largest = Arrays.stream(books).mapToInt(book -> book.length / length).max().orElseThrow();
    this.single = count == 1 ? new Nearest(books[0], books[0].length / length, length) : null;
    this.columns = new float[count][];
    this.halves = new float[count][];
    for (int m = 0; count > 1 && m < count; m++) {
      int entries = books[m].length / length;
      columns[m] = new float[books[m].length];
      halves[m] = new float[entries];
      for (int k = 0; k < entries; k++) {
        float sum = 0;
        for (int d = 0; d < length; d++) {
          float value = books[m][k * length + d];
          columns[m][d * entries + k] = value;
          sum += value * value;
        }
        halves[m][k] = sum / 2;
      }
    }
  }

  /**
   * Replaces the codes of {@code vectors} vectors by the best that is found.
   *
   * @param y {@code [vectors, length]}
   * @param codes {@code [vectors, M]}; where it is -1 the codebook adds nothing yet. Codes that are
   *     all there are never exchanged for worse.
   */
  void search(float[] y, int vectors, int[] codes) {
    if (single != null) {
      single.search(y, 0, vectors, codes, 0);
      return;
    }
    var beam = new Beam();
    for (int i = 0; i < vectors; i++) {
      beam.search(y, i * length, codes, i * count);
    }
  }

  /** Hypotheses, best first, and room for their successors. */
  private final class Beam {
    private int[][] chosen = new int[width][count];
    private int[][] next = new int[width][count];
    private float[][] rest = new float[width][length];
    private float[][] nextRest = new float[width][length];
    private final float[] cost = new float[width];
    private final int[] parent = new int[width];
    private final int[] entry = new int[width];
    private final float[] scores = new float[largest];
    private int size;

    void search(float[] y, int at, int[] codes, int codesAt) {
      System.arraycopy(codes, codesAt, chosen[0], 0, count);
      System.arraycopy(y, at, rest[0], 0, length);
      for (int m = 0; m < count; m++) {
        if (chosen[0][m] >= 0) {
          add(rest[0], -1, m, chosen[0][m]);
        }
      }
      size = 1;
      for (int m = 0; m < count; m++) {
        extend(m);
      }
      System.arraycopy(chosen[0], 0, codes, codesAt, count);
    }

    private void extend(int m) {
      var half = halves[m];
      var column = columns[m];
      int entries = half.length;
      int found = 0;
      for (int h = 0; h < size; h++) {
        var left = rest[h];
        if (chosen[h][m] >= 0) {
          add(left, 1, m, chosen[h][m]);
        }
        // |rest - c|^2 / 2 = |rest|^2 / 2 + |c|^2 / 2 - rest c
        float own = 0;
        for (int d = 0; d < length; d++) {
          own += left[d] * left[d];
        }
        own /= 2;
        System.arraycopy(half, 0, scores, 0, entries);
        for (int d = 0; d < length; d++) {
          Gemm.axpy(entries, -left[d], column, d * entries, scores, 0);
        }
        float bound = found < width ? Float.POSITIVE_INFINITY : cost[found - 1] - own;
        for (int k = 0; k < entries; k++) {
          if (scores[k] < bound) {
            found = insert(found, own + scores[k], h, k);
            bound = found < width ? Float.POSITIVE_INFINITY : cost[found - 1] - own;
          }
        }
      }
      for (int i = 0; i < found; i++) {
        System.arraycopy(chosen[parent[i]], 0, next[i], 0, count);
        System.arraycopy(rest[parent[i]], 0, nextRest[i], 0, length);
        next[i][m] = entry[i];
        add(nextRest[i], -1, m, entry[i]);
      }
      var spare = chosen;
      chosen = next;
      next = spare;
      var spareRest = rest;
      rest = nextRest;
      nextRest = spareRest;
      size = found;
    }

    private int insert(int found, float total, int h, int k) {
      int at = found < width ? found : width - 1;
      while (at > 0 && cost[at - 1] > total) {
        cost[at] = cost[at - 1];
        parent[at] = parent[at - 1];
        entry[at] = entry[at - 1];
        at--;
      }
      cost[at] = total;
      parent[at] = h;
      entry[at] = k;
      return Math.min(found + 1, width);
    }

    private void add(float[] target, float sign, int m, int k) {
      for (int d = 0; d < length; d++) {
        target[d] += sign * books[m][k * length + d];
      }
    }
  }
}

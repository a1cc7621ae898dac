package ai.lathe.compress.pruning.fisher;

import ai.lathe.tensor.Pattern;

/**
 * Removes the weights of a block one by one, each time the one that adds least to {@code 1/2 (w -
 * w0)^T F^-1 (w - w0)}. After k removals w is the minimum of that under the k zeros, and {@link
 * #loss} its value. Weights that are zero from the beginning go first, at no cost.
 */
final class Elimination {

  private final int n;
  private final double[] w;
  private final double[] f;
  private final boolean[] removed;
  private final int group;
  private final int[] left;
  private int zeros;
  private int last = -1;
  private boolean lastWasZero;
  private double loss;

  /**
   * @param w the block's weights, changed by removals
   * @param f F, {@code [n, n]} row-major, changed by removals
   * @param pattern under n:m no more may go of a group than the pattern wants to
   */
  Elimination(double[] w, double[] f, Pattern pattern) {
    this.n = w.length;
    this.w = w;
    this.f = f;
    this.removed = new boolean[n];
    this.group = pattern instanceof Pattern.SemiStructured(_, int of) ? of : n;
    this.left = new int[Math.ceilDiv(n, group)];
    for (int g = 0; g < left.length; g++) {
      left[g] = pattern instanceof Pattern.SemiStructured(int kept, int of) ? of - kept : n;
    }
    for (double weight : w) {
      zeros += weight == 0 ? 1 : 0;
    }
  }

  /**
   * @return false where nothing is left that may go
   */
  boolean removeCheapest() {
    int best = -1;
    double least = Double.POSITIVE_INFINITY;
    for (int i = 0; i < n; i++) {
      if (removed[i] || left[i / group] == 0) {
        continue;
      }
      double cost = w[i] == 0 && zeros > 0 ? -1 : w[i] * w[i] / f[i * n + i];
      if (best < 0 || cost < least) {
        best = i;
        least = cost;
      }
    }
    if (best < 0) {
      return false;
    }
    lastWasZero = least < 0;
    if (lastWasZero) {
      zeros--;
    } else {
      loss += least / 2;
    }
    remove(best);
    return true;
  }

  private void remove(int p) {
    double pivot = f[p * n + p];
    double step = w[p] / pivot;
    for (int j = 0; j < n; j++) {
      w[j] -= f[p * n + j] * step;
    }
    for (int i = 0; i < n; i++) {
      double factor = f[i * n + p] / pivot;
      if (!removed[i] && i != p && factor != 0) {
        Inverse.subtract(f, i * n, factor, p * n, n);
      }
    }
    removed[p] = true;
    left[p / group]--;
    last = p;
    for (int i = 0; i < n; i++) {
      if (removed[i]) {
        w[i] = 0;
        f[i * n + p] = 0;
        f[p * n + i] = 0;
      }
    }
  }

  /** What {@link #removeCheapest} removed last. */
  int last() {
    return last;
  }

  /** Whether that was zero from the beginning. */
  boolean lastWasZero() {
    return lastWasZero;
  }

  /** Whether there are zeros from the beginning that have not been removed yet. */
  boolean nextIsZero() {
    return zeros > 0;
  }

  /** What all removals have cost. */
  double loss() {
    return loss;
  }

  /** The weights as they are now. */
  void write(float[] weights, int first) {
    for (int i = 0; i < n; i++) {
      weights[first + i] = (float) w[i];
    }
  }
}

package ai.lathe.compress.allocation;

import java.util.Arrays;

/** Pairs of cost and loss in ascending order of cost, with what they were made from. */
final class Pairs {

  double[] costs;
  double[] losses;

  /** Of what a pair can lead to. */
  private double[] bounds;

  /** Index of the pair that one was made from. */
  int[] parents;

  /** What was added to it. */
  short[] options;

  int size;

  Pairs(int capacity) {
    costs = new double[capacity];
    losses = new double[capacity];
    bounds = new double[capacity];
    parents = new int[capacity];
    options = new short[capacity];
  }

  void add(double cost, double loss, double bound, int parent, int option) {
    costs[size] = cost;
    losses[size] = loss;
    bounds[size] = bound;
    parents[size] = parent;
    options[size] = (short) option;
    size++;
  }

  /** Those that no other is better than, in cost or in loss. */
  static Pairs merge(Pairs[] lists) {
    var merged = new Pairs(Arrays.stream(lists).mapToInt(list -> list.size).sum());
    var heads = new int[lists.length];
    while (true) {
      int next = -1;
      for (int list = 0; list < lists.length; list++) {
        if (heads[list] < lists[list].size
            && (next < 0 || lists[list].before(heads[list], lists[next], heads[next]))) {
          next = list;
        }
      }
      if (next < 0) {
        return merged;
      }
      merged.take(lists[next], heads[next]++);
    }
  }

  private boolean before(int i, Pairs other, int j) {
    return costs[i] < other.costs[j] || costs[i] == other.costs[j] && losses[i] < other.losses[j];
  }

  private void take(Pairs from, int i) {
    if (size == 0 || from.losses[i] < losses[size - 1]) {
      add(from.costs[i], from.losses[i], from.bounds[i], from.parents[i], from.options[i]);
    }
  }

  /** Keeps what tells how each pair was made. */
  void settle() {
    costs = null;
    losses = null;
    bounds = null;
    parents = Arrays.copyOf(parents, size);
    options = Arrays.copyOf(options, size);
  }

  /**
   * Keeps those of the lowest bounds.
   *
   * @return the lowest bound that was dropped
   */
  double truncate(int width) {
    var sorted = Arrays.copyOf(bounds, size);
    Arrays.sort(sorted);
    double limit = sorted[width];
    int kept = 0;
    for (int i = 0; i < size; i++) {
      if (bounds[i] < limit) {
        costs[kept] = costs[i];
        losses[kept] = losses[i];
        bounds[kept] = bounds[i];
        parents[kept] = parents[i];
        options[kept] = options[i];
        kept++;
      }
    }
    size = kept;
    return limit;
  }
}

package ai.lathe.compress.allocation;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * What is worth choosing of one unit's options: in ascending order of cost, each of less loss than
 * the one before.
 *
 * @param options their indices among all of the unit's
 * @param costs ascending
 * @param losses descending
 * @param hull indices into the other arrays of those on the lower convex hull: first and last are
 *     on it, and what a unit of cost gains along it falls strictly
 */
record Front(int[] options, double[] costs, double[] losses, int[] hull) {

  /**
   * Of a unit whose losses are not finite at all, only the cheapest option is left, as one of no
   * loss: there is nothing to choose by.
   */
  static Front of(double[] costs, double[] losses) {
    var usable = usable(losses);
    var order =
        IntStream.range(0, costs.length)
            .filter(option -> usable[option])
            .boxed()
            .sorted(
                Comparator.<Integer>comparingDouble(option -> costs[option])
                    .thenComparingDouble(option -> losses[option]))
            .toList();
    var kept = new ArrayList<Integer>();
    for (int option : order) {
      if (kept.isEmpty() || losses[option] < losses[kept.getLast()]) {
        kept.add(option);
      }
    }
    if (!Double.isFinite(losses[kept.getFirst()])) {
      return new Front(
          new int[] {kept.getFirst()},
          new double[] {costs[kept.getFirst()]},
          new double[1],
          new int[1]);
    }
    var options = kept.stream().mapToInt(Integer::intValue).toArray();
    var c = kept.stream().mapToDouble(option -> costs[option]).toArray();
    var l = kept.stream().mapToDouble(option -> losses[option]).toArray();
    return new Front(options, c, l, hull(c, l));
  }

  /**
   * Which of a unit's options may be chosen: those of finite loss; all where none is.
   *
   * @param losses of the options
   */
  static boolean[] usable(double[] losses) {
    var usable = new boolean[losses.length];
    boolean any = false;
    for (int option = 0; option < losses.length; option++) {
      usable[option] = Double.isFinite(losses[option]);
      any |= usable[option];
    }
    if (!any) {
      java.util.Arrays.fill(usable, true);
    }
    return usable;
  }

  private static int[] hull(double[] costs, double[] losses) {
    var hull = new ArrayList<Integer>();
    for (int point = 0; point < costs.length; point++) {
      while (hull.size() > 1
          && gain(costs, losses, hull.getLast(), point)
              >= gain(costs, losses, hull.get(hull.size() - 2), hull.getLast())) {
        hull.removeLast();
      }
      hull.add(point);
    }
    return hull.stream().mapToInt(Integer::intValue).toArray();
  }

  /** Loss that a unit of cost takes away. */
  private static double gain(double[] costs, double[] losses, int from, int to) {
    return (losses[from] - losses[to]) / (costs[to] - costs[from]);
  }

  int size() {
    return options.length;
  }

  /** Of all losses. */
  double least() {
    return losses[losses.length - 1];
  }

  /**
   * A step along the hull of a unit.
   *
   * @param to what it leads to, an index of the front
   * @param cost more than before
   * @param loss less than before
   */
  record Step(int unit, int to, double cost, double loss, double gain) {}

  List<Step> steps(int unit) {
    var steps = new ArrayList<Step>();
    for (int i = 1; i < hull.length; i++) {
      int from = hull[i - 1];
      int to = hull[i];
      steps.add(
          new Step(
              unit,
              to,
              costs[to] - costs[from],
              losses[from] - losses[to],
              gain(costs, losses, from, to)));
    }
    return steps;
  }
}

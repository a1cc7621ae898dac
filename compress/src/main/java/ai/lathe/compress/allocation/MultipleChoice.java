package ai.lathe.compress.allocation;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The multiple-choice knapsack: one option of each unit, so that the costs sum to no more than a
 * capacity and the losses to as little as possible.
 *
 * <p>Its relaxation, in which a unit may stand between two neighbours on the convex hull of its
 * options, is solved by taking the steps along all hulls in descending order of gain until the
 * capacity is spent. That bounds every loss from below, and leaving out the step that does not fit
 * is an answer already.
 *
 * <p>{@link #solve} goes through the units and keeps, of all choices for those that it has seen,
 * the pairs of cost and loss that no other pair beats in both. A pair goes too where not even the
 * relaxation of the units to come can lead it to less than the best answer known; with what is left
 * of the capacity that relaxation is a look into a table of running sums, and each look gives one
 * more answer. Few pairs are left, so that costs need no rounding into buckets: the result is
 * exact, to the byte. Where more are left than asked for, those with the highest bounds are dropped
 * and the lowest bound dropped is remembered: what is returned is then within that bound of the
 * optimum, and says so.
 *
 * <p>Dominance as in Dudzinski and Walukiewicz (1987), bounds in the course as in Pisinger's "A
 * minimal algorithm for the multiple-choice knapsack problem" (1995).
 */
final class MultipleChoice {

  /**
   * @param choices index of an option for each unit
   * @param loss of them
   * @param bound that no choices' loss is below; {@code loss} itself where it is the least
   */
  record Solution(int[] choices, double loss, double bound) {
    boolean optimal() {
      return bound >= loss;
    }
  }

  /**
   * Pairs kept at first; with few of them a good answer is found, which prunes the next attempt.
   */
  private static final int NARROW = 1 << 9;

  private static final int WIDENING = 8;

  private final Front[] fronts;

  /** What is left when every unit has its cheapest option. */
  private final double spare;

  /** Steps of all units, in descending order of gain. */
  private final List<Front.Step> steps;

  /**
   * @param costs {@code [unit][option]}; whole numbers below 2^53 are added without rounding
   * @param losses {@code [unit][option]}; an option whose loss is not finite is not chosen, unless
   *     its unit has no other
   */
  MultipleChoice(double[][] costs, double[][] losses, double capacity) {
    fronts =
        IntStream.range(0, costs.length)
            .mapToObj(unit -> Front.of(costs[unit], losses[unit]))
            .toArray(Front[]::new);
    spare = capacity - Arrays.stream(fronts).mapToDouble(front -> front.costs()[0]).sum();
    steps =
        IntStream.range(0, fronts.length)
            .boxed()
            .flatMap(unit -> fronts[unit].steps(unit).stream())
            .sorted(Comparator.comparingDouble(Front.Step::gain).reversed())
            .toList();
  }

  /** Whether any choice fits. */
  boolean feasible() {
    return spare >= 0;
  }

  /**
   * Steps in descending order of gain, each that fits; a unit whose step does not fit stays where
   * it is.
   */
  Solution greedy() {
    var at = new int[fronts.length];
    var stuck = new boolean[fronts.length];
    double left = spare;
    for (var step : steps) {
      stuck[step.unit()] |= step.cost() > left;
      if (!stuck[step.unit()]) {
        at[step.unit()] = step.to();
        left -= step.cost();
      }
    }
    return solution(at, Math.min(relaxed(), loss(at)));
  }

  /** Least loss of the relaxation. */
  private double relaxed() {
    var rest = new Rest(steps, Arrays.stream(fronts).mapToDouble(Front::least).sum());
    return rest.loss(spare, rest.whole(spare));
  }

  /**
   * The least loss.
   *
   * @param states pairs of cost and loss to keep at most, over all units
   */
  Solution solve(long states) {
    var best = greedy();
    int widest = (int) Math.clamp(states / Math.max(1, fronts.length), 1, 1 << 24);
    int width = Math.min(NARROW, widest);
    while (!best.optimal()) {
      best = new Course(best, width).run();
      if (width == widest) {
        break;
      }
      width = (int) Math.min((long) width * WIDENING, widest);
    }
    return best;
  }

  private Solution solution(int[] at, double bound) {
    var choices = new int[at.length];
    Arrays.setAll(choices, unit -> fronts[unit].options()[at[unit]]);
    double loss = loss(at);
    return new Solution(choices, loss, Math.min(bound, loss));
  }

  private double loss(int[] at) {
    double sum = 0;
    for (int unit = 0; unit < at.length; unit++) {
      sum += fronts[unit].losses()[at[unit]];
    }
    return sum;
  }

  /** The relaxation of some units, for any capacity. */
  private static final class Rest {
    private final double[] costs;
    private final double[] losses;

    /**
     * @param steps of these units, in descending order of gain
     * @param least loss, with all steps taken
     */
    Rest(List<Front.Step> steps, double least) {
      costs = new double[steps.size() + 1];
      losses = new double[steps.size() + 1];
      for (int i = 0; i < steps.size(); i++) {
        costs[i + 1] = costs[i] + steps.get(i).cost();
      }
      // From the small losses to the large ones, so that the large ones round nothing away.
      losses[steps.size()] = least;
      for (int i = steps.size() - 1; i >= 0; i--) {
        losses[i] = losses[i + 1] + steps.get(i).loss();
      }
    }

    /** Steps that fit whole. */
    int whole(double left) {
      int found = Arrays.binarySearch(costs, left);
      return found >= 0 ? found : -found - 2;
    }

    /** What is left of the capacity is spent on a part of the next step. */
    double loss(double left, int whole) {
      if (whole == costs.length - 1) {
        return losses[whole];
      }
      double part = (left - costs[whole]) / (costs[whole + 1] - costs[whole]);
      return losses[whole] - part * (losses[whole] - losses[whole + 1]);
    }
  }

  /** One way through all units. */
  private final class Course {
    private final int width;
    private Solution best;

    /** Lowest bound of what was dropped for want of width. */
    private double dropped = Double.POSITIVE_INFINITY;

    /** What each unit may still be, indices of its front. */
    private final int[][] live;

    private final int[] order;
    private final Pairs[] seen;

    Course(Solution best, int width) {
      this.best = best;
      this.width = width;
      live = live();
      order = order();
      seen = new Pairs[order.length + 1];
    }

    Solution run() {
      double cost = 0;
      double loss = 0;
      for (int unit = 0; unit < live.length; unit++) {
        if (live[unit].length == 1) {
          cost += fronts[unit].costs()[live[unit][0]] - fronts[unit].costs()[0];
          loss += fronts[unit].losses()[live[unit][0]];
        }
      }
      seen[0] = new Pairs(1);
      seen[0].add(cost, loss, 0, 0, 0);
      if (cost <= spare) {
        complete(-1, 0, 0, spare - cost);
      }
      for (int stage = 0; stage < order.length; stage++) {
        seen[stage + 1] = extend(stage);
        seen[stage].settle();
      }
      return new Solution(best.choices(), best.loss(), Math.min(best.loss(), dropped));
    }

    /**
     * Without options that no answer better than the best can have: with such an option the
     * relaxation, at the price that a unit of cost has at its own optimum, loses more already. Of
     * many units few have a choice left.
     */
    private int[][] live() {
      var at = new int[fronts.length];
      double left = spare;
      double price = 0;
      for (var step : steps) {
        if (step.cost() > left) {
          price = step.gain();
          break;
        }
        left -= step.cost();
        at[step.unit()] = step.to();
      }
      double limit = best.loss() - relaxed() + rounding();
      double paid = price;
      return IntStream.range(0, fronts.length)
          .mapToObj(
              unit -> {
                var costs = fronts[unit].costs();
                var losses = fronts[unit].losses();
                int own = at[unit];
                return IntStream.range(0, costs.length)
                    .filter(
                        option ->
                            option == own
                                || losses[option]
                                        - losses[own]
                                        + paid * (costs[option] - costs[own])
                                    < limit)
                    .toArray();
              })
          .toArray(int[][]::new);
    }

    /**
     * Units that have a choice, those of the widest range of costs first: the small ones at the end
     * fill what is left of the capacity, which no bound foresees.
     */
    private int[] order() {
      return IntStream.range(0, fronts.length)
          .filter(unit -> live[unit].length > 1)
          .boxed()
          .sorted(
              Comparator.comparingDouble(
                      (Integer unit) -> {
                        var costs = fronts[unit].costs();
                        return costs[costs.length - 1] - costs[0];
                      })
                  .reversed())
          .mapToInt(Integer::intValue)
          .toArray();
    }

    private Pairs extend(int stage) {
      var front = fronts[order[stage]];
      var pairs = seen[stage];
      var rest = rest(stage + 1);
      var options = live[order[stage]];
      var reached = new Pairs[options.length];
      for (int i = 0; i < options.length; i++) {
        reached[i] = reached(pairs, front, options[i], rest, stage);
      }
      var merged = Pairs.merge(reached);
      if (merged.size > width) {
        dropped = Math.min(dropped, merged.truncate(width));
      }
      return merged;
    }

    private Pairs reached(Pairs pairs, Front front, int option, Rest rest, int stage) {
      double cost = front.costs()[option] - front.costs()[0];
      double loss = front.losses()[option];
      var reached = new Pairs(pairs.size);
      int whole = rest.costs.length - 1;
      for (int i = 0; i < pairs.size; i++) {
        double left = spare - pairs.costs[i] - cost;
        if (left < 0) {
          break;
        }
        while (rest.costs[whole] > left) {
          whole--;
        }
        double sum = pairs.losses[i] + loss;
        double bound = sum + rest.loss(left, whole);
        if (bound < best.loss() - rounding()) {
          reached.add(pairs.costs[i] + cost, sum, bound, i, option);
          if (sum + rest.losses[whole] < best.loss()) {
            complete(stage, i, option, left);
          }
        }
      }
      return reached;
    }

    /** What may come of adding the same losses in another order. */
    private double rounding() {
      return 1e-14 * Math.abs(best.loss());
    }

    /** The answer that rounding the relaxation down gives. */
    private void complete(int stage, int parent, int option, double left) {
      var at = new int[fronts.length];
      for (int unit = 0; unit < at.length; unit++) {
        at[unit] = live[unit].length == 1 ? live[unit][0] : 0;
      }
      if (stage >= 0) {
        at[order[stage]] = option;
      }
      for (int s = stage, i = parent; s > 0; s--) {
        at[order[s - 1]] = seen[s].options[i];
        i = seen[s].parents[i];
      }
      var later = new boolean[fronts.length];
      for (int s = stage + 1; s < order.length; s++) {
        later[order[s]] = true;
      }
      for (var step : steps) {
        if (later[step.unit()]) {
          if (step.cost() > left) {
            break;
          }
          left -= step.cost();
          at[step.unit()] = step.to();
        }
      }
      var found = solution(at, best.bound());
      if (found.loss() < best.loss()) {
        best = found;
      }
    }

    private Rest rest(int from) {
      var later = new boolean[fronts.length];
      double least = 0;
      for (int s = from; s < order.length; s++) {
        later[order[s]] = true;
        least += fronts[order[s]].least();
      }
      return new Rest(steps.stream().filter(step -> later[step.unit()]).toList(), least);
    }
  }
}

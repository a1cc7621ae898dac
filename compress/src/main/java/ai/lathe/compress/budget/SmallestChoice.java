package ai.lathe.compress.budget;

import java.util.Optional;
import java.util.TreeMap;
import java.util.function.LongFunction;
import java.util.function.ToDoubleFunction;

/**
 * The choice of fewest bytes whose measured loss is within a limit, by bisection over budgets. What
 * was measured for one limit serves the next.
 */
public final class SmallestChoice {

  /** Losses of choices that lose next to nothing are told apart no further. */
  private static final double LEAST_LOSS = 1e-9;

  private final LongFunction<Choice> within;
  private final ToDoubleFunction<Choice> gauge;
  private final long least;
  private final long most;
  private final double tolerance;
  private final TreeMap<Long, Measured> measured = new TreeMap<>();

  public record Measured(Choice choice, double loss) {}

  /**
   * @param within the best choice of units' bytes within a budget
   * @param gauge less is better, 0 is the original
   * @param least budget that there is a choice for
   * @param most budget that anything can be used of
   * @param tolerance of the result, as a share of the artifact: a choice smaller by more than this
   *     was measured and lost too much
   */
  public SmallestChoice(
      LongFunction<Choice> within,
      ToDoubleFunction<Choice> gauge,
      long least,
      long most,
      double tolerance) {
    this.within = within;
    this.gauge = gauge;
    this.least = least;
    this.most = most;
    this.tolerance = tolerance;
  }

  /** Empty where even the largest choice loses more. */
  public Optional<Measured> within(double limit) {
    if (smallest().loss() <= limit) {
      return Optional.of(smallest());
    }
    if (largest().loss() > limit) {
      return Optional.empty();
    }
    var high = largest();
    var low = smallest();
    for (var one : measured.values()) {
      if (one.loss() <= limit) {
        high = one;
        break;
      }
      low = one;
    }
    boolean halve = false;
    while (high.choice().bytes() - budget(low) > tolerance * high.choice().artifactBytes()
        && high.choice().bytes() - budget(low) > 1) {
      var middle = at(between(low, high, limit, halve));
      if (middle.loss() <= limit) {
        high = middle;
      } else {
        low = middle;
      }
      halve = !halve;
    }
    return Optional.of(high);
  }

  /** Losses fall about exponentially with bytes, but not everywhere: every other step halves. */
  private long between(Measured low, Measured high, double limit, boolean halve) {
    long from = budget(low);
    long to = high.choice().bytes();
    double share = 0.5;
    if (!halve) {
      double above = logarithm(low.loss());
      double below = logarithm(Math.max(high.loss(), limit / 64));
      share = Math.clamp((above - logarithm(limit)) / (above - below), 0.1, 0.9);
    }
    return Math.clamp(from + (long) (share * (to - from)), from + 1, to - 1);
  }

  private static double logarithm(double loss) {
    return Math.log(Math.max(loss, LEAST_LOSS));
  }

  /** A choice that lost too much under some budget is also that of all budgets below. */
  private static long budget(Measured low) {
    return low.choice().budget();
  }

  public Measured smallest() {
    return at(least);
  }

  public Measured largest() {
    return at(most);
  }

  /** The choice within a budget, measured. */
  public Measured at(long budget) {
    var known = measured.get(budget);
    if (known == null) {
      var choice = within.apply(budget);
      known = new Measured(choice, gauge.applyAsDouble(choice));
      measured.put(budget, known);
    }
    return known;
  }
}

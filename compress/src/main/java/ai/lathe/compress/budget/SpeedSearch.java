package ai.lathe.compress.budget;

import ai.lathe.compress.allocation.Allocation;
import java.util.HashSet;
import java.util.function.LongFunction;
import java.util.function.ToDoubleFunction;

/**
 * The choice that loses least and runs as fast as is asked for. A {@link Latency} says about where
 * that is; what is then measured of whole models corrects it.
 */
public final class SpeedSearch {

  /** A measurement this much below what was asked for is the machine's noise. */
  private static final double NOISE = 0.005;

  /** Faster than asked for by more than this is given back. */
  private static final double SLACK = 0.02;

  /** Models measured, at most. */
  private static final int ROUNDS = 5;

  private final Goal goal;
  private final String database;
  private final Latency.Times latency;
  private final LongFunction<Choice> within;
  private final ToDoubleFunction<Choice> measure;

  /**
   * @param within the best choice within so many nanoseconds of the units
   * @param measure decoding speed over the original's
   */
  public SpeedSearch(
      Goal goal,
      String database,
      Latency.Times latency,
      LongFunction<Choice> within,
      ToDoubleFunction<Choice> measure) {
    this.goal = goal;
    this.database = database;
    this.latency = latency;
    this.within = within;
    this.measure = measure;
  }

  /** Throws where the fastest choice, measured, is slower. */
  public Choice search(double factor) {
    long least = Chooser.cheapest(latency.units()).cost(latency.units());
    double correction = 1;
    var tried = new HashSet<Allocation>();
    Choice best = null;
    double bestSpeed = 0;
    for (int round = 0; round < ROUNDS; round++) {
      double aim = factor * (1 + SLACK / 4) / correction;
      long budget = Math.max(least, (long) (latency.original() / aim) - latency.rest());
      var choice = within.apply(budget);
      if (!tried.add(choice.allocation())) {
        break;
      }
      double speed = measure.applyAsDouble(choice);
      if (best == null || better(speed, bestSpeed, factor)) {
        best = choice;
        bestSpeed = speed;
      }
      boolean enough = speed >= factor * (1 - NOISE);
      if (enough && speed <= factor * (1 + SLACK) || !enough && budget == least) {
        break;
      }
      correction = speed / latency.speedup(choice.allocation());
    }
    if (bestSpeed < factor * (1 - NOISE)) {
      // As slow as one may wish: everything as it is.
      throw goal.unreachable(database, Math.min(1, bestSpeed), bestSpeed);
    }
    return best;
  }

  /** Fast enough and nearer, or nearer to being so. */
  private static boolean better(double speed, double best, double factor) {
    boolean enough = speed >= factor * (1 - NOISE);
    boolean had = best >= factor * (1 - NOISE);
    return enough == had ? (enough ? speed < best : speed > best) : enough;
  }
}

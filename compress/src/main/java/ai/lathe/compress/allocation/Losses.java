package ai.lathe.compress.allocation;

/** Sums of losses over units. */
final class Losses {

  private Losses() {}

  /** Units whose losses are not finite at all count nothing: they have no choice. */
  static double sum(Problem problem, Allocation allocation) {
    double sum = 0;
    for (int unit = 0; unit < problem.losses().length; unit++) {
      double loss = problem.losses()[unit][allocation.choice(unit)];
      sum += Double.isFinite(loss) ? loss : 0;
    }
    return sum;
  }
}

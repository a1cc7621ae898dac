package ai.lathe.compress.allocation;

/**
 * What is left of a budget, spent where a loss falls, or stays: two levels that a measure cannot
 * tell apart are still levels, and the budget was given to be used.
 */
final class Leftover {

  private Leftover() {}

  /**
   * Raises one unit after the other to an option of more cost and no more loss, first where the
   * loss falls most, then where most is spent, as long as anything fits.
   */
  static Allocation spent(Problem problem, Allocation allocation) {
    var usable = problem.usable();
    var choices = allocation.choices().stream().mapToInt(Integer::intValue).toArray();
    long left = problem.budget() - allocation.cost(problem.costs());
    while (true) {
      int bestUnit = -1;
      int bestOption = -1;
      double mostLoss = 0;
      long mostCost = 0;
      for (int unit = 0; unit < choices.length; unit++) {
        var costs = problem.costs()[unit];
        var losses = problem.losses()[unit];
        for (int option = 0; option < costs.length; option++) {
          long cost = costs[option] - costs[choices[unit]];
          double loss = losses[choices[unit]] - losses[option];
          boolean allowed = usable[unit][option] && cost > 0 && cost <= left && loss >= 0;
          if (allowed && (loss > mostLoss || loss == mostLoss && cost > mostCost)) {
            bestUnit = unit;
            bestOption = option;
            mostLoss = loss;
            mostCost = cost;
          }
        }
      }
      if (bestUnit < 0) {
        return Allocation.of(choices);
      }
      choices[bestUnit] = bestOption;
      left -= mostCost;
    }
  }
}

package ai.lathe.compress.allocation;

import java.util.List;

/**
 * The index of an option for each unit of a {@link LevelTable}.
 *
 * @param choices one for each unit, in order
 */
public record Allocation(List<Integer> choices) {

  public Allocation {
    choices = List.copyOf(choices);
  }

  public static Allocation of(int... choices) {
    return new Allocation(java.util.Arrays.stream(choices).boxed().toList());
  }

  public int choice(int unit) {
    return choices.get(unit);
  }

  /** Sum of what is chosen. */
  public long cost(long[][] costs) {
    long sum = 0;
    for (int unit = 0; unit < costs.length; unit++) {
      sum = Math.addExact(sum, costs[unit][choices.get(unit)]);
    }
    return sum;
  }

  /** Sum of what is chosen. */
  public double loss(double[][] losses) {
    double sum = 0;
    for (int unit = 0; unit < losses.length; unit++) {
      sum += losses[unit][choices.get(unit)];
    }
    return sum;
  }

  public Option option(LevelTable table, int unit) {
    return table.units().get(unit).options().get(choices.get(unit));
  }
}

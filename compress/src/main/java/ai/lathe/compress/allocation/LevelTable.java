package ai.lathe.compress.allocation;

import ai.lathe.tensor.LatheException;
import java.util.List;

/** All units of a model, in order of execution, with what each may be given. */
public record LevelTable(List<Unit> units) {

  public LevelTable {
    units = List.copyOf(units);
  }

  public long weights() {
    return units.stream().mapToLong(Unit::weights).sum();
  }

  /** Exact bytes, {@code [unit][option]}. */
  public long[][] bytes() {
    return units.stream()
        .map(unit -> unit.options().stream().mapToLong(Option::bytes).toArray())
        .toArray(long[][]::new);
  }

  /**
   * Losses, {@code [unit][option]}.
   *
   * @throws LatheException where the measure was not taken
   */
  public double[][] losses(Measure measure) {
    return units.stream()
        .map(unit -> unit.options().stream().mapToDouble(option -> loss(option, measure)).toArray())
        .toArray(double[][]::new);
  }

  private static double loss(Option option, Measure measure) {
    var loss = option.losses().get(measure);
    if (loss == null) {
      throw new LatheException(
          "the level database holds no losses by %s; it holds %s"
              .formatted(measure, option.losses().keySet().stream().sorted().toList()));
    }
    return loss;
  }
}

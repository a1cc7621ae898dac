package ai.lathe.compress.calibration;

import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.model.Address;
import ai.lathe.model.architecture.Site;
import java.util.Optional;
import java.util.Set;

/**
 * How well calibration reached a layer. An expert sees the tokens that are routed to it and no
 * others, which may be few or none.
 *
 * @param statistics for the solver
 * @param note where they are not what they should be, one sentence
 */
public record Coverage(LayerStatistics statistics, Optional<String> note) {

  /**
   * Judges what was seen of a layer's input. Where nothing was, the identity stands in for {@code
   * H}, under which the nearest value is the best one: methods then round to nearest, and no scale
   * is computed from nothing.
   *
   * @param inputs of the layer
   * @param requires what its solver needs
   */
  public static Coverage of(
      Address address, int inputs, Set<Statistic> requires, LayerStatistics seen) {
    if (address.expert() == Site.NO_EXPERT || requires.isEmpty()) {
      return new Coverage(seen, Optional.empty());
    }
    var expert = "expert %d of block %d saw ".formatted(address.expert(), address.block());
    if (seen.tokens() == 0) {
      return new Coverage(
          LayerStatistics.identity(inputs),
          Optional.of(expert + "no calibration token: rounded to nearest"));
    }
    if (seen.tokens() < inputs) {
      return new Coverage(
          seen,
          Optional.of(
              expert
                  + "%d calibration tokens for %d inputs, too few to tell them all apart"
                      .formatted(seen.tokens(), inputs)));
    }
    return new Coverage(seen, Optional.empty());
  }
}

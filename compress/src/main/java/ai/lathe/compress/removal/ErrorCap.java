package ai.lathe.compress.removal;

import ai.lathe.compress.factorization.RemovalKnapsack.Measure;
import ai.lathe.compress.removal.LayerProfile.Option;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * ROCKET's limit of what one layer may lose: {@code alpha} times what layers lose on average at the
 * removal nearest the one asked for, with the least {@code alpha} of 1.0, 1.1, ... 2.0 at which
 * enough can be removed at all.
 *
 * @param alpha see above
 * @param most relative error of a layer
 */
record ErrorCap(double alpha, double most) {

  private static final int TENTHS = 20;

  /**
   * Empty where not even the largest {@code alpha} lets enough be removed.
   *
   * @param budget parameters that may stay
   */
  static Optional<ErrorCap> of(
      List<LayerProfile> layers, double share, long budget, Measure measure) {
    double mean =
        layers.stream()
            .filter(layer -> !layer.options().isEmpty())
            .mapToDouble(layer -> LayerProfile.error(nearest(layer, share), measure))
            .average()
            .orElse(0);
    for (int tenths = 10; tenths <= TENTHS; tenths++) {
      var cap = new ErrorCap(tenths / 10.0, tenths / 10.0 * mean);
      long least =
          layers.stream()
              .mapToLong(
                  layer ->
                      layer.options().stream()
                          .filter(option -> cap.allows(option, measure))
                          .mapToLong(Option::parameters)
                          .reduce(layer.parameters(), Math::min))
              .sum();
      if (least <= budget) {
        return Optional.of(cap);
      }
    }
    return Optional.empty();
  }

  boolean allows(Option option, Measure measure) {
    return LayerProfile.error(option, measure) <= most;
  }

  private static Option nearest(LayerProfile layer, double share) {
    return layer.options().stream()
        .min(Comparator.comparingDouble(option -> Math.abs(option.removed() - share)))
        .orElseThrow();
  }
}

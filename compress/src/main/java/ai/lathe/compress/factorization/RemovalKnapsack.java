package ai.lathe.compress.factorization;

import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.LatheException;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * How a share of parameters that is to go from all layers together is spread over them, where it is
 * not the same share of each: so that the losses of single layers sum to as little as possible.
 *
 * @param measure of the losses
 * @param cap whether a layer may lose no more than about what layers lose on average at the share
 *     asked for, see {@code ErrorCap}
 */
public record RemovalKnapsack(Measure measure, boolean cap) {

  public static final String NAME = "knapsack";

  /** The same share of each layer. */
  public static final String UNIFORM = "uniform";

  private static final String MEASURE = "measure";
  private static final String CAP = "cap";

  /** What is lost of a layer, and added up. */
  public enum Measure {
    /** {@code ||W - Q|| / ||W||}, as ROCKET has it. */
    WEIGHT,
    /** {@code ||(W - Q) X||^2 / ||W X||^2}. */
    OUTPUT,
    /**
     * The same times what the model minds of the layer's output: an estimate, in nats, of the
     * divergence that the layer causes alone.
     */
    FISHER
  }

  public static List<String> names() {
    return List.of(NAME, UNIFORM);
  }

  /**
   * By the names that {@code --allocator} and {@code --allocator-option} take; empty for the same
   * share of each layer.
   */
  public static Optional<RemovalKnapsack> named(String name, Map<String, ?> settings) {
    if (!names().contains(name)) {
      throw LatheException.unknown("allocator of --factorize", name, names());
    }
    boolean uniform = name.equals(UNIFORM);
    var given = new Settings(name, settings, uniform ? List.of() : List.of(MEASURE, CAP));
    return uniform
        ? Optional.empty()
        : Optional.of(
            new RemovalKnapsack(given.choice(MEASURE, Measure.FISHER), given.flag(CAP, true)));
  }

  /**
   * As {@code --factorize} and recipes ask for it.
   *
   * @param method that removes
   * @param allocator by name; empty for the method's own
   * @param settings of the allocator
   */
  public static Optional<RemovalKnapsack> of(
      String method, Optional<String> allocator, Map<String, ?> settings) {
    var factorization =
        Factorizations.all().stream().filter(one -> one.name().equals(method)).findFirst();
    if (factorization.isPresent()) {
      return named(allocator.orElse(factorization.get().allocator()), settings);
    }
    if (allocator.isPresent() || !settings.isEmpty()) {
      throw new LatheException(
          method + " takes no allocator: it tells by itself how much goes of which block");
    }
    return Optional.empty();
  }
}

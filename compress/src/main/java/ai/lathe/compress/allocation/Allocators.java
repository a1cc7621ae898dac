package ai.lathe.compress.allocation;

import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.LatheException;
import java.util.List;
import java.util.Map;

/** Allocators by the names that {@code --allocator} takes, and their settings. */
public final class Allocators {

  private Allocators() {}

  /** One of each kind, with its usual settings. */
  public static List<Allocator> all() {
    return names().stream().map(name -> named(name, Map.of())).toList();
  }

  public static List<String> names() {
    return List.of("uniform", "greedy", "knapsack");
  }

  /**
   * @param settings by name; those not given are the usual ones
   * @throws LatheException where a name or a setting is unknown, with the nearest valid one
   */
  public static Allocator named(String name, Map<String, ?> settings) {
    return switch (name) {
      case "uniform" -> {
        var _ = new Settings(name, settings, List.of());
        yield new Uniform();
      }
      case "greedy" -> {
        var _ = new Settings(name, settings, List.of());
        yield new Greedy();
      }
      case "knapsack" -> {
        var given = new Settings(name, settings, List.of(Knapsack.STATES));
        yield new Knapsack(given.integer(Knapsack.STATES, Knapsack.USUAL_STATES));
      }
      default -> throw LatheException.unknown("allocator", name, names());
    };
  }
}

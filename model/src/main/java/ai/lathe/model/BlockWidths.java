package ai.lathe.model;

import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Role;
import java.util.Optional;

/**
 * Inner widths of a transformer block, where it may be narrower than the model says. The number of
 * heads is always the model's.
 *
 * @param feedForward inner features of a feed-forward that every token passes through
 * @param keySize features of a query head and of a key head
 * @param valueSize features of a value head, and so of each head's share in what attention hands on
 */
public record BlockWidths(int feedForward, int keySize, int valueSize) {

  /**
   * Why a block of a model cannot have these widths, in a clause; empty where it can.
   *
   * @param config of the model before any block of it became narrower
   */
  public Optional<String> obstacle(ModelConfig config, Architecture architecture, int block) {
    return outside("feed-forward features", feedForward, config.feedForward())
        .or(() -> outside("features of a query and key head", keySize, config.headSize()))
        .or(() -> outside("features of a value head", valueSize, config.headSize()))
        .or(() -> obstacle(config, architecture, config.isMixture(block)));
  }

  private static Optional<String> outside(String what, int width, int whole) {
    return width >= 1 && width <= whole
        ? Optional.empty()
        : Optional.of("it has 1 to %d %s, not %d".formatted(whole, what, width));
  }

  private Optional<String> obstacle(
      ModelConfig config, Architecture architecture, boolean experts) {
    var name = architecture.name();
    int head = config.headSize();
    if (feedForward != config.feedForward() && experts) {
      return Optional.of("it has experts in the place of a feed-forward");
    }
    if ((keySize != head || valueSize != head) && architecture.has(Role.QUERY_KEY_VALUE)) {
      return Optional.of("a " + name + " has one matrix for query, key and value");
    }
    if (keySize == head) {
      return Optional.empty();
    }
    if (architecture.has(Role.QUERY_NORM)) {
      return Optional.of("a " + name + " has norms over whole query and key heads");
    }
    if (config.rope() == null) {
      return Optional.empty();
    }
    if (keySize % 2 != 0) {
      return Optional.of(
          "a query or key head keeps whole rotary pairs, not " + keySize + " features");
    }
    if (!architecture.has(Role.ROTARY_PAIRS) || config.rope().dimensions() != head) {
      return Optional.of("rotary positions turn a part only of each query and key head");
    }
    return Optional.empty();
  }
}

package ai.lathe.compress.factorization.module;

import ai.lathe.compress.factorization.Removal;
import ai.lathe.compress.quantization.Settings;
import ai.lathe.model.BlockWidths;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.LatheException;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Blocks of smaller widths: features of the feed-forward, of query and key heads and of value heads
 * go, so that what the pairs of matrices around them give on calibration text changes least. What
 * is left are dense matrices, only smaller.
 *
 * @param removed share of the weights of all blocks' linear layers
 * @param modules that are narrowed
 * @param temperature of the softmax that shares out what goes: the less, the more blocks differ
 * @param ridge of the feed-forward's leverage scores, as a share of the mean squared feature
 * @see <a href="https://arxiv.org/abs/2408.09632">Lin et al., MoDeGPT, 2024</a>
 */
public record ModeGpt(Removal removed, Modules modules, double temperature, double ridge) {

  /** The short name, as {@code --factorize} takes it. */
  public static final String NAME = "modegpt";

  private static final double TEMPERATURE = 0.05;
  private static final double RIDGE = 1;

  /** What is narrowed of a block. */
  public enum Modules {
    ALL,
    MLP,
    ATTENTION;

    boolean feedForward() {
      return this != ATTENTION;
    }

    boolean attention() {
      return this != MLP;
    }
  }

  public ModeGpt {
    if (!(temperature > 0 && temperature < Double.POSITIVE_INFINITY)) {
      throw new LatheException(
          "%s's temperature is more than 0 (%s is usual), not %s"
              .formatted(NAME, TEMPERATURE, temperature));
    }
    if (!(ridge > 0 && ridge < Double.POSITIVE_INFINITY)) {
      throw new LatheException(
          "%s's ridge is more than 0 (%s is usual), not %s".formatted(NAME, RIDGE, ridge));
    }
  }

  /**
   * @param settings by the name that recipes use; a name or value that it does not know is a {@link
   *     LatheException}
   */
  public static ModeGpt of(Removal removed, Map<String, ?> settings) {
    var given = new Settings("MoDeGPT", settings, List.of("modules", "temperature", "ridge"));
    return new ModeGpt(
        removed,
        given.choice("modules", Modules.ALL),
        given.number("temperature", TEMPERATURE),
        given.number("ridge", RIDGE));
  }

  /** Throws where blocks of this model cannot be narrowed so, and says which could. */
  public void require(Checkpoint model) {
    var config = model.config();
    for (int block = 0; block < config.blocks(); block++) {
      var why = refusal(model.architecture(), config, block, modules);
      if (why.isPresent()) {
        var other =
            List.of(Modules.MLP, Modules.ATTENTION).stream()
                .filter(some -> refusal(model.architecture(), config, 0, some).isEmpty())
                .map(
                    some -> "; --factor-option modules=%s leaves that alone".formatted(label(some)))
                .findFirst()
                .filter(_ -> modules == Modules.ALL)
                .orElse("");
        throw new LatheException(
            "%s cannot narrow block %d: %s%s".formatted(NAME, block, why.get(), other));
      }
    }
  }

  private static String label(Modules modules) {
    return modules.name().toLowerCase(java.util.Locale.ROOT);
  }

  private static Optional<String> refusal(
      Architecture architecture, ModelConfig config, int block, Modules modules) {
    if (modules.feedForward() && architecture.has(Role.GATE_UP)) {
      return Optional.of("a %s has one matrix for gate and up".formatted(architecture.name()));
    }
    int least = config.headSize() % 2 == 0 ? 2 : 1;
    var whole = config.widths(block);
    var narrow =
        new BlockWidths(
            modules.feedForward() ? 1 : whole.feedForward(),
            modules.attention() ? least : whole.keySize(),
            modules.attention() ? 1 : whole.valueSize());
    if (!whole.equals(
        new BlockWidths(config.feedForward(), config.headSize(), config.headSize()))) {
      return Optional.of("it has been narrowed before; take the original model");
    }
    return narrow.obstacle(config, architecture, block);
  }
}

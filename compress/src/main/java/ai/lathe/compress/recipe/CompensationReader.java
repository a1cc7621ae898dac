package ai.lathe.compress.recipe;

import ai.lathe.compress.compensation.Compensation;
import ai.lathe.compress.compensation.Compensation.Method;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The modifiers of a recipe that put a matrix of low rank beside what others compress: {@code
 * EoRAModifier}, and {@code CompensationModifier}, which names its method.
 */
final class CompensationReader {

  private static final int RANK = 32;

  private static final Set<String> KEYS = Set.of("rank", "adapter_bits", "targets", "ignore");

  /** Modifier class to its keys. */
  static final Map<String, Set<String>> KINDS =
      Map.of(
          "EoRAModifier",
          KEYS,
          "CompensationModifier",
          Set.of("method", "rank", "adapter_bits", "targets", "ignore"));

  private CompensationReader() {}

  static Modifier.Compensation read(String name, JsonNode node) {
    RecipeReader.rejectUnknown(name, node, KINDS.get(name));
    var method = node.path("method");
    if (!method.isMissingNode() && !method.isTextual()) {
      throw new LatheException(name + ".method is one of " + String.join(", ", Method.labels()));
    }
    int rank = integer(name, "rank", node).orElse(RANK);
    Compensation.requireRank(rank);
    return new Modifier.Compensation(
        Method.named(method.asText("eora")),
        rank,
        integer(name, "adapter_bits", node),
        RecipeReader.selectors(node.path("targets"), name + ".targets", List.of("Linear")),
        RecipeReader.selectors(node.path("ignore"), name + ".ignore", List.of()));
  }

  private static Optional<Integer> integer(String name, String key, JsonNode node) {
    var value = node.path(key);
    if (value.isMissingNode() || value.isNull()) {
      return Optional.empty();
    }
    if (!value.isIntegralNumber() || !value.canConvertToInt()) {
      throw new LatheException(
          "%s.%s is a whole number, not '%s'".formatted(name, key, value.asText()));
    }
    return Optional.of(value.intValue());
  }
}

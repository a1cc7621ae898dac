package ai.lathe.compress.recipe;

import ai.lathe.compress.factorization.Removal;
import ai.lathe.compress.factorization.RemovalKnapsack;
import ai.lathe.compress.factorization.module.ModeGpt;
import ai.lathe.compress.recipe.Modifier.Factorization;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * {@code FactorizationModifier}: its {@code method}, the share of parameters to {@code remove},
 * targets, settings of the method, and its {@code allocator} with {@code allocator_options} where
 * the share is one of all layers together.
 */
final class FactorizationReader {

  static final String NAME = "FactorizationModifier";

  private static final Set<String> COMMON =
      Set.of("method", "remove", "allocator", "allocator_options", "targets", "ignore");

  private FactorizationReader() {}

  static Factorization read(JsonNode node) {
    var method = node.path("method");
    var remove = node.path("remove");
    if (!method.isTextual() || !remove.isNumber()) {
      throw new LatheException(
          NAME
              + " needs a method and a share to remove, for example 'method: svd-llm' and 'remove: 0.2'");
    }
    if (method.textValue().equals(ModeGpt.NAME) && (node.has("targets") || node.has("ignore"))) {
      throw new LatheException(
          "%s of %s takes no targets: it narrows whole blocks, of which 'modules: mlp' names a part"
              .formatted(NAME, ModeGpt.NAME));
    }
    var settings = new TreeMap<String, Object>();
    for (var entry : node.properties()) {
      if (!COMMON.contains(entry.getKey())) {
        // The method knows which there are.
        settings.put(entry.getKey(), entry.getValue().asText());
      }
    }
    return new Factorization(
        method.textValue(),
        new Removal(remove.doubleValue()),
        knapsack(method.textValue(), node),
        RecipeReader.selectors(node.path("targets"), NAME + ".targets", List.of("Linear")),
        RecipeReader.selectors(node.path("ignore"), NAME + ".ignore", List.of()),
        settings);
  }

  private static Optional<RemovalKnapsack> knapsack(String method, JsonNode node) {
    var allocator = Optional.ofNullable(node.path("allocator").textValue());
    var options = new TreeMap<String, Object>();
    node.path("allocator_options")
        .properties()
        .forEach(entry -> options.put(entry.getKey(), entry.getValue().asText()));
    return RemovalKnapsack.of(method, allocator, options);
  }
}

package ai.lathe.cli;

import ai.lathe.compress.factorization.Removal;
import ai.lathe.compress.factorization.RemovalKnapsack;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.tensor.LatheException;
import java.util.Map;
import java.util.Optional;
import picocli.CommandLine.Option;

/** Which weights become products of smaller matrices. */
final class FactorizationOptions {

  @Option(
      names = "--factorize",
      paramLabel = "NAME",
      description =
          "Write each weight as a product of smaller matrices: ${COMPLETION-CANDIDATES}. Factors are"
              + " stored in half precision, or as --scheme says. modegpt makes blocks narrower"
              + " instead: their matrices stay single ones, only smaller.",
      completionCandidates = Names.Factorizations.class)
  private Optional<String> method;

  @Option(
      names = "--remove",
      paramLabel = "SHARE",
      description =
          "Share of the parameters that --factorize saves: 0.2 for a fifth. Of all matrices together"
              + " with --allocator knapsack, rocket's own way; else of each.")
  private Optional<String> removed;

  @Option(
      names = "--factor-option",
      paramLabel = "KEY=VALUE",
      description =
          "A setting of the factorization method, by the name that recipes use; may be given several"
              + " times.")
  private Map<String, Object> settings = Map.of();

  boolean given() {
    if (method.isEmpty() && (removed.isPresent() || !settings.isEmpty())) {
      throw new LatheException(
          "--remove and --factor-option belong to --factorize, which names the method");
    }
    return method.isPresent();
  }

  /**
   * @param allocator by name; empty for the method's own
   * @param options of the allocator
   */
  Recipe recipe(Optional<String> allocator, Map<String, ?> options) {
    var share =
        removed.orElseThrow(
            () ->
                new LatheException(
                    "--factorize needs the share of parameters to --remove, for example 0.2"));
    return Recipe.factorization(
        method.orElseThrow(),
        new Removal(PruningOptions.share("--remove", share)),
        RemovalKnapsack.of(method.orElseThrow(), allocator, options),
        settings);
  }
}

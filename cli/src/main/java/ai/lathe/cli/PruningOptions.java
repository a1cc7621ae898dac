package ai.lathe.cli;

import ai.lathe.compress.pruning.Sparsity;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Pattern;
import java.util.Map;
import java.util.Optional;
import picocli.CommandLine.Option;

/** Which weights become zero. */
final class PruningOptions {

  @Option(
      names = "--prune",
      paramLabel = "NAME",
      description =
          "Make weights zero first: ${COMPLETION-CANDIDATES}. Those that stay are stored in half"
              + " precision, or as --scheme says.",
      completionCandidates = Names.Pruners.class)
  private Optional<String> method;

  @Option(
      names = "--sparsity",
      paramLabel = "SHARE",
      description = "Share of the weights that become zero, from 0 up to 1: 0.5 for half of them.")
  private Optional<String> sparsity;

  @Option(
      names = "--pattern",
      paramLabel = "PATTERN",
      description =
          "Which weights may be zero together: n:m keeps n of every m inputs (2:4), RxC keeps or"
              + " drops blocks of R outputs and C inputs (4x1), unstructured is any. Default:"
              + " unstructured.")
  private Optional<String> pattern;

  @Option(
      names = "--prune-option",
      paramLabel = "KEY=VALUE",
      description =
          "A setting of the pruning method, by the name that recipes use, for example scope=row or"
              + " dampening_frac=0.05; may be given several times.")
  private Map<String, Object> settings = Map.of();

  boolean given() {
    if (method.isEmpty() && (sparsity.isPresent() || pattern.isPresent() || !settings.isEmpty())) {
      throw new LatheException(
          "--sparsity, --pattern and --prune-option belong to --prune, which names the method");
    }
    return method.isPresent();
  }

  Recipe recipe() {
    var zeros = pattern.map(Pattern::parse).orElse(Pattern.UNSTRUCTURED);
    var share = sparsity.map(text -> share("--sparsity", text));
    return Recipe.pruning(method.orElseThrow(), Sparsity.of(share, zeros), settings);
  }

  static double share(String option, String text) {
    try {
      return Double.parseDouble(text);
    } catch (NumberFormatException e) {
      throw new LatheException(
          "%s: a share is a number, for example 0.5, not '%s'".formatted(option, text), e);
    }
  }
}

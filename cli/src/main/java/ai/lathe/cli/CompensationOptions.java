package ai.lathe.cli;

import ai.lathe.compress.compensation.Compensation.Method;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.tensor.LatheException;
import java.util.Optional;
import picocli.CommandLine.Option;

/** What is put beside compressed weights. */
final class CompensationOptions {

  private static final String DEFAULT_RANK = "32";

  @Option(
      names = "--compensate",
      paramLabel = "NAME",
      description =
          "Put a matrix of low rank beside each compressed one of a block, for what that lost:"
              + " ${COMPLETION-CANDIDATES}. eora loses the least of the layers' outputs, svd of"
              + " their weights.",
      completionCandidates = Names.Compensations.class)
  private Optional<String> method;

  @Option(
      names = "--rank",
      paramLabel = "N",
      description = "Of what --compensate adds. Default: " + DEFAULT_RANK + ".")
  private Optional<String> rank;

  @Option(
      names = "--adapter-bits",
      paramLabel = "BITS",
      description =
          "Store what --compensate adds in codes of so many bits, 2 to 8; otherwise in half"
              + " precision.")
  private Optional<String> bits;

  boolean given() {
    if (method.isEmpty() && (rank.isPresent() || bits.isPresent())) {
      throw new LatheException(
          "--rank and --adapter-bits belong to --compensate, which names the method: eora or svd");
    }
    return method.isPresent();
  }

  Recipe recipe() {
    return Recipe.compensation(
        Method.named(method.orElseThrow()),
        number("--rank", rank.orElse(DEFAULT_RANK)),
        bits.map(text -> number("--adapter-bits", text)));
  }

  private static int number(String option, String text) {
    try {
      return Integer.parseInt(text);
    } catch (NumberFormatException e) {
      throw new LatheException(
          "%s is a whole number, for example 32, not '%s'".formatted(option, text), e);
    }
  }
}

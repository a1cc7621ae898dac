package ai.lathe.cli;

import ai.lathe.runtime.RuntimeOptions;
import java.util.Optional;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The options of commands that open a language model to write with. */
final class TextModelArguments {

  @Option(
      names = "--context",
      paramLabel = "N",
      description = "Most tokens of prompt and output together. Default: what the model takes.")
  private Optional<Integer> context;

  @Option(
      names = "--draft",
      paramLabel = "MODEL",
      description =
          "A smaller model of the same vocabulary, which proposes tokens; the text is as likely as"
              + " without it, and comes sooner where it guesses well.")
  private Optional<String> draft;

  @Option(
      names = "--draft-tokens",
      paramLabel = "N",
      defaultValue = "4",
      description = "How many tokens it proposes at once. Default: ${DEFAULT-VALUE}.")
  private int draftTokens;

  @Mixin private RuntimeArguments runtime;

  RuntimeOptions options() {
    var options = runtime.options();
    if (context.isPresent()) {
      options = options.withContext(context.get());
    }
    return draft.isPresent() ? options.withDraft(draft.get(), draftTokens) : options;
  }

  Optional<String> draft() {
    return draft;
  }

  /** Those that run, by name. */
  String kernels() {
    return options().provider().name();
  }
}

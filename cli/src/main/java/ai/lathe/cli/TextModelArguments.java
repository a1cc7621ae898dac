package ai.lathe.cli;

import ai.lathe.runtime.RuntimeOptions;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import java.util.List;
import java.util.Locale;
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
      names = "--kv",
      paramLabel = "TYPE",
      defaultValue = "f16",
      description = "How keys and values are kept: f16, bf16 or f32. Default: ${DEFAULT-VALUE}.")
  private String keysAndValues;

  @Option(
      names = "--kv-memory",
      paramLabel = "SIZE",
      description =
          "Most memory for keys and values, for example 512MB; a text that could need more is refused."
              + " Default: what the context takes.")
  private Optional<String> cache;

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
    var options = runtime.options().withKeysAndValues(type(keysAndValues));
    if (context.isPresent()) {
      options = options.withContext(context.get());
    }
    if (cache.isPresent()) {
      options = options.withLimits(options.limits().withCacheBytes(Sizes.parse(cache.get())));
    }
    return draft.isPresent() ? options.withDraft(draft.get(), draftTokens) : options;
  }

  private static DType type(String name) {
    return switch (name.toLowerCase(Locale.ROOT)) {
      case "f16" -> DType.F16;
      case "bf16" -> DType.BF16;
      case "f32" -> DType.F32;
      default ->
          throw LatheException.unknown(
              "type of keys and values", name, List.of("f16", "bf16", "f32"));
    };
  }

  Optional<String> draft() {
    return draft;
  }

  /** Those that run, by name. */
  String kernels() {
    return options().provider().name();
  }
}

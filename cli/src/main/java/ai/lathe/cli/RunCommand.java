package ai.lathe.cli;

import ai.lathe.model.chat.Message;
import ai.lathe.runtime.Conversation;
import ai.lathe.runtime.TextModel;
import ai.lathe.runtime.generation.Generation;
import ai.lathe.runtime.generation.GenerationListener;
import ai.lathe.runtime.generation.GenerationOptions;
import ai.lathe.runtime.generation.Logprobs;
import ai.lathe.tensor.LatheException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code lathe run}. */
@Command(
    name = "run",
    description = {
      "Goes on from a prompt, and prints what the model writes: the text alone, as it comes.",
      "The prompt is taken as it is. A model that was made for conversations expects its chat"
          + " template around it: --chat, or lathe chat."
    },
    sortOptions = false,
    footerHeading = "%nExamples:%n",
    footer = {
      "  lathe run model.gguf -p \"Once upon a time\" -n 64",
      "  lathe run model.gguf -p \"Once upon a time\" -n 64 --temperature 0 --stats",
      "  lathe run path/to/model --chat -p \"Name three rivers.\"",
      "  git diff | lathe run path/to/model --chat --system \"Review this.\" --prompt-file -",
      "  lathe run path/to/model --draft small -p \"def fib(n):\" --stats"
    })
final class RunCommand implements Callable<Integer> {

  private final Console console;

  @Parameters(paramLabel = "MODEL", description = Descriptions.MODEL)
  private String model;

  @Option(
      names = {"-p", "--prompt"},
      paramLabel = "TEXT",
      description = "What the text begins with.")
  private Optional<String> prompt;

  @Option(
      names = "--prompt-file",
      paramLabel = "FILE",
      description = "A UTF-8 file that holds the prompt; - for standard input.")
  private Optional<Path> promptFile;

  @Option(
      names = "--chat",
      description = "Take the prompt for a message, and put the model's chat template around it.")
  private boolean chat;

  @Option(
      names = "--system",
      paramLabel = "TEXT",
      description = "With --chat: what the model is told before the message.")
  private Optional<String> system;

  @Option(
      names = "--truncate",
      description =
          "Leave out the beginning of a prompt that does not fit, instead of refusing it.")
  private boolean truncate;

  @Option(names = "--ignore-end", description = "Go on where the model would end the text.")
  private boolean ignoreEnd;

  @Mixin private GenerationArguments generation;

  @Option(
      names = "--logprobs",
      paramLabel = "N",
      description =
          "With --json: log probabilities of each token and of the N most probable ones in its"
              + " place.")
  private Optional<Integer> logprobs;

  @Mixin private TextModelArguments runtime;

  @Option(
      names = "--stats",
      description = "Say on standard error how long it took, and how well a draft model guessed.")
  private boolean stats;

  @Option(names = "--json", description = Descriptions.JSON)
  private boolean json;

  RunCommand(Console console) {
    this.console = console;
  }

  /**
   * The result.
   *
   * @param finishReason end, stop, length, context or cancelled
   * @param stop the stop string that ended it, else null
   * @param logprobs null unless asked for
   * @param draft null without one
   */
  record Written(
      String model,
      String kernels,
      int threads,
      String text,
      List<Integer> tokens,
      int promptTokens,
      String finishReason,
      String stop,
      long seed,
      List<Position> logprobs,
      Draft draft,
      Timings timings) {}

  /** What was there for one token. */
  record Position(Candidate chosen, List<Candidate> top) {}

  record Candidate(int token, String text, double logprob) {}

  /**
   * @param ear expected acceptance rate, from the two models' distributions
   */
  record Draft(String model, long drafted, long accepted, Double acceptanceRate, Double ear) {}

  /** Rates are null where there was nothing to divide. */
  record Timings(
      double loadSeconds,
      double promptSeconds,
      double outputSeconds,
      Double promptTokensPerSecond,
      Double outputTokensPerSecond) {}

  @Override
  public Integer call() {
    if (logprobs.isPresent() && !json) {
      throw new LatheException("--logprobs is shown in JSON alone; add --json");
    }
    if (system.isPresent() && !chat) {
      throw new LatheException("--system is said in a conversation; add --chat");
    }
    var options = options();
    var text = prompt();
    var started = System.nanoTime();
    try (var opened = TextModel.open(model, runtime.options(), console.progress())) {
      double loading = (System.nanoTime() - started) * 1e-9;
      var listener = json ? GenerationListener.NONE : printer();
      var result =
          chat ? answer(opened, text, options, listener) : goOn(opened, text, options, listener);
      if (json) {
        console.json(written(opened, result, options, loading));
      } else {
        console.out().println();
      }
      if (stats) {
        console.say(
            "model   %s, opened in %s s; kernels %s, %d threads"
                .formatted(
                    model,
                    Sizes.number(loading, 3),
                    runtime.kernels(),
                    runtime.options().threads()));
        Statistics.of(result).forEach(console::say);
      }
    }
    return Main.OK;
  }

  private Generation goOn(
      TextModel opened, String text, GenerationOptions options, GenerationListener listener) {
    requireRoom(opened, opened.tokens(text, /* special= */ true).length);
    return opened.generate(text, options, listener);
  }

  private Generation answer(
      TextModel opened, String text, GenerationOptions options, GenerationListener listener) {
    ChatCommand.requireTemplate(opened, model);
    var messages = new ArrayList<Message>();
    system.map(PromptText::argument).map(Message::system).ifPresent(messages::add);
    messages.add(Message.user(text));
    var conversation = Conversation.of(messages);
    requireRoom(opened, opened.tokens(conversation).length);
    return opened.chat(conversation, options, listener);
  }

  private void requireRoom(TextModel opened, int tokens) {
    if (!truncate && tokens >= opened.contextLength()) {
      throw new LatheException(
          "the prompt has %d tokens, and the context of %d has to hold the output too; shorten it, or leave out its beginning with --truncate"
              .formatted(tokens, opened.contextLength()));
    }
  }

  private GenerationOptions options() {
    var options = generation.options().withTruncatePrompt(truncate).withIgnoreEnd(ignoreEnd);
    return logprobs.isPresent()
        ? options.withSampling(options.sampling().withLogprobs(requireCount(logprobs.get())))
        : options;
  }

  private static int requireCount(int count) {
    if (count < 0) {
      throw new LatheException("--logprobs is 0 (the chosen token alone) or more, not " + count);
    }
    return count;
  }

  private String prompt() {
    if (prompt.isPresent() == promptFile.isPresent()) {
      throw new LatheException(
          prompt.isPresent()
              ? "--prompt and --prompt-file both give the prompt; leave one out"
              : "there is no prompt; give one with -p TEXT or --prompt-file FILE (- for standard"
                  + " input)");
    }
    return prompt.map(PromptText::argument).orElseGet(() -> PromptText.read(promptFile.get()));
  }

  /** Ends where nobody reads any more, as behind {@code | head}. */
  private GenerationListener printer() {
    var out = console.out();
    return new GenerationListener() {
      @Override
      public void text(String piece) {
        out.print(piece);
        out.flush();
      }

      @Override
      public boolean cancelled() {
        return out.checkError();
      }
    };
  }

  private Written written(
      TextModel opened, Generation result, GenerationOptions options, double loading) {
    var speculation = result.speculation();
    return new Written(
        model,
        runtime.kernels(),
        runtime.options().threads(),
        result.text(),
        result.tokens(),
        result.promptTokens(),
        result.reason().name().toLowerCase(Locale.ROOT),
        result.stop().orElse(null),
        options.sampling().seed(),
        logprobs.isEmpty()
            ? null
            : result.logprobs().stream().map(one -> position(opened, one)).toList(),
        runtime
            .draft()
            .map(
                draft ->
                    new Draft(
                        draft,
                        speculation.drafted(),
                        speculation.accepted(),
                        number(speculation.acceptance()),
                        number(speculation.expected())))
            .orElse(null),
        new Timings(
            loading,
            result.promptSeconds(),
            result.outputSeconds(),
            number(result.promptTokens() / result.promptSeconds()),
            number((result.tokens().size() - 1) / result.outputSeconds())));
  }

  private static Double number(double value) {
    return Double.isFinite(value) ? value : null;
  }

  private static Position position(TextModel opened, Logprobs logprobs) {
    return new Position(
        candidate(opened, logprobs.chosen()),
        logprobs.top().stream().map(entry -> candidate(opened, entry)).toList());
  }

  private static Candidate candidate(TextModel opened, Logprobs.Entry entry) {
    return new Candidate(entry.token(), opened.text(new int[] {entry.token()}), entry.logprob());
  }
}

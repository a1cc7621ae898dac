package ai.lathe.cli;

import ai.lathe.model.chat.Message;
import ai.lathe.runtime.Conversation;
import ai.lathe.runtime.TextModel;
import ai.lathe.tensor.LatheException;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code lathe chat}. */
@Command(
    name = "chat",
    description = {
      "Talks with a model: a line is a message, the answer comes as it is written.",
      "A message of several lines stands between two lines of \"\"\". Ctrl-C stops an answer, /help"
          + " lists the commands. Answers alone stand on standard output, so that a script can"
          + " write messages into standard input and read them."
    },
    sortOptions = false,
    footerHeading = "%nExamples:%n",
    footer = {
      "  lathe chat path/to/model",
      "  lathe chat model.gguf --system \"Answer in one sentence.\" --temperature 0.2",
      "  printf 'Name a river.\\nAnd another one.\\n' | lathe chat path/to/model"
    })
final class ChatCommand implements Callable<Integer> {

  private final Console console;

  @Parameters(paramLabel = "MODEL", description = Descriptions.MODEL)
  private String model;

  @Option(
      names = "--system",
      paramLabel = "TEXT",
      description = "What the model is told before the conversation.")
  private Optional<String> system;

  @Mixin private GenerationArguments generation;

  @Mixin private TextModelArguments runtime;

  @Option(names = "--stats", description = "Say on standard error how long each answer took.")
  private boolean stats;

  ChatCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    var options = generation.options();
    try (var opened = TextModel.open(model, runtime.options(), console.progress());
        var interrupt = new Interrupt()) {
      requireTemplate(opened, model);
      var session = new ChatSession(opened, options, console, interrupt, stats);
      system.map(PromptText::argument).ifPresent(session::system);
      return session.run(System.in, System.console() != null && System.console().isTerminal());
    }
  }

  /** The template is rendered once, so that one that fails is found before the first message. */
  static void requireTemplate(TextModel opened, String model) {
    if (!opened.canChat()) {
      throw new LatheException(
          model
              + " has no chat template, so it was not made for conversations; go on from a plain"
              + " text with lathe run -p, or put a chat_template.jinja beside it");
    }
    opened.tokens(Conversation.of(List.of(Message.user("?"))));
  }
}

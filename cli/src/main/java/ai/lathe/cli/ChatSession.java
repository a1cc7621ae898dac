package ai.lathe.cli;

import ai.lathe.format.Json;
import ai.lathe.model.chat.Message;
import ai.lathe.runtime.Conversation;
import ai.lathe.runtime.TextModel;
import ai.lathe.runtime.generation.Generation;
import ai.lathe.runtime.generation.GenerationListener;
import ai.lathe.runtime.generation.GenerationOptions;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A conversation, line by line. Its history begins every prompt anew; the model keeps what it has
 * read and reads only what is new.
 */
final class ChatSession {

  private static final String BLOCK = "\"\"\"";
  private static final List<String> HELP =
      List.of(
          "/reset             forget the conversation, but for what /system said",
          "/system TEXT       tell the model this before the conversation, which begins anew",
          "/save FILE         write the conversation to a file",
          "/load FILE         go on with such a conversation",
          "/set NAME VALUE    change an option, for example /set temperature 0.2",
          "/stats             how long the last answer took",
          "/exit              end (so does Ctrl-D)",
          "Ctrl-C stops an answer. A message of several lines stands between two lines of \"\"\".");
  private static final List<String> COMMANDS =
      List.of("/help", "/reset", "/system", "/save", "/load", "/set", "/stats", "/exit");

  private final TextModel model;
  private final Console console;
  private final Interrupt interrupt;
  private final boolean stats;
  private final List<Message> history = new ArrayList<>();
  private GenerationOptions options;
  private Generation last;

  ChatSession(
      TextModel model,
      GenerationOptions options,
      Console console,
      Interrupt interrupt,
      boolean stats) {
    this.model = model;
    this.options = options;
    this.console = console;
    this.interrupt = interrupt;
    this.stats = stats;
  }

  /** Begins anew, with this said to the model. */
  void system(String text) {
    history.clear();
    if (!text.isBlank()) {
      history.add(Message.system(text));
    }
  }

  /**
   * Answers until the input or the user ends it.
   *
   * @param terminal whether someone waits for a sign that it is their turn
   * @return the exit code: that of bad input where a message or command was wrong and nobody could
   *     correct it
   */
  int run(InputStream in, boolean terminal) {
    if (terminal) {
      console.say("A line is a message; /help lists the commands.");
    }
    boolean failed = false;
    while (true) {
      try {
        var message = message(in, terminal);
        if (message == null || message.strip().equals("/exit")) {
          break;
        }
        if (message.startsWith("/")) {
          command(message.strip());
        } else if (!message.isBlank()) {
          answer(message);
        }
      } catch (LatheException e) {
        console.say("lathe: " + e.getMessage());
        failed = true;
      }
    }
    return failed && !terminal ? Main.BAD_INPUT : Main.OK;
  }

  /** A line, or the lines of a block; null at the end of the input. */
  private String message(InputStream in, boolean terminal) {
    var line = line(in, terminal ? "> " : "");
    if (line == null || !line.strip().equals(BLOCK)) {
      return line;
    }
    var block = new StringBuilder();
    for (line = line(in, terminal ? ". " : "");
        line != null && !line.strip().equals(BLOCK);
        line = line(in, terminal ? ". " : "")) {
      block.append(line).append('\n');
    }
    return block.toString();
  }

  private String line(InputStream in, String sign) {
    console.out().print(sign);
    console.out().flush();
    try {
      var bytes = new ByteArrayOutputStream();
      int next = in.read();
      if (next < 0) {
        return null;
      }
      for (; next >= 0 && next != '\n'; next = in.read()) {
        bytes.write(next);
      }
      var line = PromptText.decode(bytes.toByteArray(), "the line");
      return line.endsWith("\r") ? line.substring(0, line.length() - 1) : line;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void answer(String message) {
    history.add(Message.user(message));
    try {
      makeRoom();
      interrupt.begin();
      last = model.chat(Conversation.of(history), options, new Printer());
      console.out().println();
      history.add(Message.assistant(last.text()));
    } catch (LatheException e) {
      // As if it had not been said: the next message shall not fail for this one.
      history.removeLast();
      throw e;
    } finally {
      interrupt.end();
    }
    if (stats) {
      Statistics.of(last).forEach(console::say);
    }
  }

  /** Forgets the oldest messages where an answer would not fit any more, and says so. */
  private void makeRoom() {
    int context = model.contextLength();
    int room = Math.clamp(options.maxTokens(), 1, Math.max(1, context / 4));
    int first = history.getFirst().role().equals("system") ? 1 : 0;
    int forgotten = 0;
    while (model.tokens(Conversation.of(history)).length > context - room
        && history.size() > first + 1) {
      // A question and its answer.
      history.remove(first);
      forgotten++;
      if (history.size() > first + 1 && history.get(first).role().equals("assistant")) {
        history.remove(first);
        forgotten++;
      }
    }
    if (forgotten > 0) {
      console.say(
          "lathe: the context of %d tokens is full; the oldest %d messages are forgotten"
              .formatted(context, forgotten));
    }
  }

  private final class Printer implements GenerationListener {
    @Override
    public void text(String piece) {
      console.out().print(piece);
      console.out().flush();
    }

    /** Also where nobody reads any more. */
    @Override
    public boolean cancelled() {
      return interrupt.pressed() || console.out().checkError();
    }
  }

  private void command(String line) {
    var words = line.split("\\s+", 2);
    var rest = words.length == 1 ? "" : words[1];
    switch (words[0]) {
      case "/help" -> HELP.forEach(console::say);
      case "/reset" -> system(systemText());
      case "/system" -> system(rest);
      case "/save" -> save(path(words[0], rest));
      case "/load" -> load(path(words[0], rest));
      case "/set" -> set(rest);
      case "/stats" -> {
        if (last == null) {
          throw new LatheException("there is no answer yet");
        }
        Statistics.of(last).forEach(console::say);
      }
      default -> throw LatheException.unknown("command", words[0], COMMANDS);
    }
  }

  private String systemText() {
    return history.isEmpty() || !history.getFirst().role().equals("system")
        ? ""
        : history.getFirst().content().asText();
  }

  private static Path path(String command, String rest) {
    if (rest.isEmpty()) {
      throw new LatheException(command + " needs a file, for example " + command + " talk.json");
    }
    return Path.of(rest);
  }

  private void set(String rest) {
    var words = rest.split("[\\s=]+");
    if (words.length != 2) {
      throw new LatheException("/set needs a name and a value, for example /set temperature 0.2");
    }
    options = GenerationArguments.with(options, words[0], words[1]);
  }

  /** As clients of model servers write conversations: {@code {"messages": [..]}}. */
  private void save(Path file) {
    ObjectNode json = Json.object();
    var messages = json.putArray("messages");
    history.forEach(message -> messages.add(message.json()));
    Json.write(file, json);
    console.say("lathe: %d messages in %s".formatted(history.size(), file));
  }

  private void load(Path file) {
    var messages = Json.read(file).path("messages");
    var loaded = new ArrayList<Message>();
    for (var message : messages) {
      if (!(message instanceof ObjectNode object)) {
        throw new LatheException(file + ": a message is an object with role and content");
      }
      loaded.add(new Message(object));
    }
    if (loaded.isEmpty()) {
      throw new LatheException(file + ": holds no conversation ({\"messages\": [..]})");
    }
    // What the model's template refuses is refused now, and the present conversation stays.
    model.tokens(Conversation.of(loaded));
    history.clear();
    history.addAll(loaded);
    console.say("lathe: %d messages from %s".formatted(history.size(), file));
  }
}

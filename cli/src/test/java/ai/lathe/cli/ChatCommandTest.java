package ai.lathe.cli;

import static ai.lathe.cli.MainTest.assertMistake;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import ai.lathe.format.Json;
import ai.lathe.model.EmbeddedModel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import sun.misc.Signal;
import sun.misc.SignalHandler;

/** Through pipes, as a script uses it. */
@Timeout(120)
class ChatCommandTest {

  @TempDir static Path folder;

  private static String model;

  @BeforeAll
  static void extract() throws IOException {
    model = ChattyModel.in(folder.resolve("model"), ChattyModel.TEMPLATE).toString();
  }

  private static Invocation chat(List<String> options, String... lines) {
    var input = String.join("\n", lines) + "\n";
    String[] fixed = {
      "chat", model, "--kernels", "scalar", "--temperature", "0", "-n", "8", "--stop", "\n"
    };
    return Invocation.withInput(
        input.getBytes(StandardCharsets.UTF_8),
        Stream.concat(Stream.of(fixed), options.stream()).toArray(String[]::new));
  }

  private static String answer(String prompt) {
    return Invocation.of(
            "run",
            model,
            "-p",
            prompt,
            "--kernels",
            "scalar",
            "--temperature",
            "0",
            "-n",
            "8",
            "--stop",
            "\n")
        .out();
  }

  @Test
  void everyAnswerFollowsTheWholeConversation() {
    var chat = chat(List.of("--system", "Be kind."), "Hello there.", "", "And you?");
    assertThat(chat.err()).isEmpty();
    assertThat(chat.code()).isZero();
    var begin = "system: Be kind.\nuser: Hello there.\nassistant:";
    var first = answer(begin);
    var second = answer(begin + " " + first.strip() + "\nuser: And you?\nassistant:");
    assertThat(first).isNotBlank();
    assertThat(chat.out().replaceAll(" +", " ")).isEqualTo((first + second).replaceAll(" +", " "));
  }

  @Test
  void whatWasReadIsNotReadAgain() {
    var chat = chat(List.of("--stats"), "Hello there.", "And you?");
    var prompts = chat.err().lines().filter(line -> line.startsWith("prompt")).toList();
    assertThat(prompts).hasSize(2);
    assertThat(prompts.get(0)).doesNotContain("more were read before");
    assertThat(prompts.get(1)).contains("more were read before");
  }

  @Test
  void commands() throws IOException {
    var file = folder.resolve("talk.json");
    var chat =
        chat(
            List.of(),
            "/system Be brief.",
            "Hello.",
            "/save " + file,
            "/set temperature 0.5",
            "/set tokens 3",
            "/stats",
            "/reset",
            "/load " + file,
            "/help",
            "/exit",
            "never read");
    assertThat(chat.code()).as(chat.err()).isZero();
    assertThat(chat.out().lines()).hasSize(1);
    assertThat(chat.err())
        .contains("3 messages in " + file, "3 messages from " + file, "prompt ", "/reset ");
    var messages = Json.read(file).get("messages");
    assertThat(messages).hasSize(3);
    assertThat(messages.get(0).get("content").textValue()).isEqualTo("Be brief.");
    assertThat(messages.get(2).get("content").textValue()).isEqualTo(chat.out().stripTrailing());
  }

  @Test
  void mistakesDoNotEndTheConversation() throws IOException {
    var odd = Files.writeString(folder.resolve("odd.json"), "{\"messages\": [{\"role\": \"x\"}]}");
    var chat =
        chat(
            List.of(),
            "/sytem x",
            "/set heat 3",
            "/set top-p 3",
            "/set temperature warm",
            "/stats",
            "/load",
            "/load nowhere.json",
            "/load " + odd,
            "Hello.");
    assertThat(chat.code()).isEqualTo(Main.BAD_INPUT);
    assertThat(chat.out()).isEqualTo(answer("user: Hello.\nassistant:"));
    assertThat(chat.err().lines())
        .hasSize(8)
        .allMatch(line -> line.startsWith("lathe: "))
        .anyMatch(line -> line.contains("did you mean '/system'?"))
        .anyMatch(line -> line.contains("unknown setting 'heat'"))
        .anyMatch(line -> line.contains("temperature is a number, not 'warm'"))
        .anyMatch(line -> line.contains("no role x"));
  }

  @Test
  void aBlockIsOneMessage() {
    assertThat(chat(List.of(), "\"\"\"", "one", "/exit", "\"\"\"").out())
        .isEqualTo(answer("user: one\n/exit\n\nassistant:"));
  }

  @Test
  void theOldestMessagesAreForgottenWhereTheContextIsFull() {
    var lines = new ArrayList<String>();
    for (int i = 0; i < 12; i++) {
      lines.add("This is the message number " + i + ".");
    }
    var chat = chat(List.of("--context", "96"), lines.toArray(String[]::new));
    assertThat(chat.code()).as(chat.err()).isZero();
    assertThat(chat.err()).contains("are forgotten");
    assertThat(chat.out().lines()).hasSize(12);
    var tooLong = chat(List.of("--context", "32"), "word ".repeat(200));
    assertThat(tooLong.code()).isEqualTo(Main.BAD_INPUT);
    assertThat(tooLong.err()).startsWith("lathe: the prompt has").hasLineCount(1);
  }

  @Test
  void aModelWithoutTemplateIsSentToRun() {
    var plain = EmbeddedModel.extract(folder.resolve("plain")).directory().toString();
    assertMistake(Invocation.of("chat", plain), "no chat template", "lathe run");
    assertMistake(Invocation.of("run", plain, "--chat", "-p", "x"), "no chat template");
    assertMistake(Invocation.of("run", plain, "--system", "y", "-p", "x"), "add --chat");
  }

  @Test
  void aTemplateThatFailsIsNamed() throws IOException {
    var broken = ChattyModel.in(folder.resolve("broken"), "{% for %}").toString();
    assertMistake(Invocation.of("chat", broken), "chat template");
    var failing =
        ChattyModel.in(folder.resolve("failing"), "\n{{ raise_exception('no more') }}").toString();
    assertMistake(Invocation.of("chat", failing), "chat template", "no more");
    assertMistake(Invocation.of("run", failing, "--chat", "-p", "x"), "no more");
    // Text is generated all the same.
    assertThat(Invocation.of("run", failing, "-p", "x", "-n", "1").code()).isZero();
  }

  @Test
  void runTakesTheTemplateToo() {
    var run =
        Invocation.of(
            "run",
            model,
            "--chat",
            "--system",
            "Be kind.",
            "-p",
            "Hello there.",
            "--kernels",
            "scalar",
            "--temperature",
            "0",
            "-n",
            "8",
            "--stop",
            "\n");
    assertThat(run.out()).isEqualTo(chat(List.of("--system", "Be kind."), "Hello there.").out());
  }

  @Test
  void controlCStopsAnAnswer() throws InterruptedException {
    var keyboard = new Signal("INT");
    // What is started in the background ignores it, and Java then leaves it ignored.
    var before = Signal.handle(keyboard, SignalHandler.SIG_DFL);
    Signal.handle(keyboard, before);
    assumeThat(before).as("SIGINT is ignored here").isNotEqualTo(SignalHandler.SIG_IGN);
    try (var interrupt = new Interrupt()) {
      interrupt.begin();
      assertThat(interrupt.pressed()).isFalse();
      Signal.raise(keyboard);
      for (int i = 0; i < 1000 && !interrupt.pressed(); i++) {
        Thread.sleep(10);
      }
      assertThat(interrupt.pressed()).isTrue();
      interrupt.end();
      interrupt.begin();
      assertThat(interrupt.pressed()).isFalse();
      interrupt.end();
    }
  }
}

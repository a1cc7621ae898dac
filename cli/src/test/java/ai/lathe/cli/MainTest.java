package ai.lathe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class MainTest {

  static Stream<String> commands() {
    return Main.commandLine(new Console(System.out, System.err, 0))
        .getSubcommands()
        .keySet()
        .stream();
  }

  @ParameterizedTest
  @MethodSource("commands")
  void everyCommandHasHelpWithExamples(String command) {
    var help = Invocation.of(command, "--help");
    assertThat(help.code()).isZero();
    assertThat(help.err()).isEmpty();
    assertThat(help.out()).startsWith("Usage: lathe " + command);
    assertThat(help.out()).containsPattern("Examples:\\R  .*lathe " + command);
  }

  /** A command line of one command is the whole one, as far as that command goes. */
  @ParameterizedTest
  @MethodSource("commands")
  void aCommandAloneIsCalledTheSame(String command) {
    var console = new Console(System.out, System.err, 0);
    var alone = Main.commandLine(console, new String[] {command}).getSubcommands().get(command);
    assertThat(alone.getUsageMessage())
        .isEqualTo(Main.commandLine(console).getSubcommands().get(command).getUsageMessage());
  }

  @Test
  void helpListsEveryCommand() {
    var help = Invocation.of("--help");
    assertThat(help.code()).isZero();
    commands().forEach(command -> assertThat(help.out()).contains("  " + command + " "));
  }

  @Test
  void versionNamesLatheAndJava() {
    var version = Invocation.of("--version");
    assertThat(version.code()).isZero();
    assertThat(version.out()).startsWith("lathe ").contains("Java 25");
  }

  @Test
  void aMissingCommandIsAMistake() {
    assertMistake(Invocation.of(), "a command is missing");
  }

  @Test
  void anUnknownCommandNamesTheNearest() {
    assertMistake(Invocation.of("docter"), "unknown command 'docter'; did you mean 'doctor'?");
  }

  @Test
  void anUnknownOptionNamesTheNearest() {
    assertMistake(
        Invocation.of("doctor", "--jsno"), "unknown option '--jsno'; did you mean '--json'?");
  }

  @Test
  void anArgumentTooManyIsAMistake() {
    assertMistake(Invocation.of("doctor", "please"), "one argument too many: 'please'");
  }

  @Test
  void completionKnowsCommandsAndOptions() {
    var completion = Invocation.of("completion");
    assertThat(completion.code()).isZero();
    assertThat(completion.out()).startsWith("#!/usr/bin/env bash").contains("doctor", "--json");
  }

  /** One line on standard error, nothing on standard output, exit code 2. */
  static void assertMistake(Invocation invocation, String... message) {
    assertThat(invocation.err()).startsWith("lathe: ").contains(message).hasLineCount(1);
    assertThat(invocation.out()).isEmpty();
    assertThat(invocation.code()).isEqualTo(2);
  }
}

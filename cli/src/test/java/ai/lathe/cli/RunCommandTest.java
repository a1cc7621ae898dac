package ai.lathe.cli;

import static ai.lathe.cli.MainTest.assertMistake;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.model.EmbeddedModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RunCommandTest {

  @TempDir static Path folder;

  private static String model;

  @BeforeAll
  static void extract() {
    model = EmbeddedModel.extract(folder.resolve("model")).directory().toString();
  }

  private static Invocation run(String... arguments) {
    return Invocation.of(
        Stream.concat(Stream.of("run", model, "--kernels", "scalar"), Stream.of(arguments))
            .toArray(String[]::new));
  }

  private static Invocation greedy(String prompt, String... more) {
    return run(
        Stream.concat(Stream.of("-p", prompt, "--temperature", "0", "-n", "12"), Stream.of(more))
            .toArray(String[]::new));
  }

  @Test
  void theTextAloneStandsOnStandardOutput() {
    var text = greedy("Once upon a time");
    assertThat(text.code()).as(text.err()).isZero();
    assertThat(text.err()).isEmpty();
    var json = greedy("Once upon a time", "--json").json();
    assertThat(text.out()).isEqualTo(json.get("text").textValue() + System.lineSeparator());
    assertThat(json.get("tokens")).hasSize(12);
    assertThat(json.get("finish_reason").textValue()).isEqualTo("length");
    assertThat(json.get("kernels").textValue()).isEqualTo("scalar");
    assertThat(json.at("/timings/prompt_seconds").doubleValue()).isPositive();
    assertThat(json.get("logprobs").isNull()).isTrue();
  }

  @Test
  void statisticsStandOnStandardError() {
    var run = greedy("Once upon a time", "--stats");
    assertThat(run.out()).isEqualTo(greedy("Once upon a time").out());
    assertThat(run.err()).contains("model ", "prompt ", "output  12 tokens in").hasLineCount(3);
  }

  @Test
  void theSameSeedGivesTheSameText() {
    var first = run("-p", "Once", "-n", "20", "--seed", "7", "--temperature", "1.5");
    assertThat(first.out()).isNotBlank();
    assertThat(run("-p", "Once", "-n", "20", "--seed", "7", "--temperature", "1.5").out())
        .isEqualTo(first.out());
    assertThat(run("-p", "Once", "-n", "20", "--seed", "8", "--temperature", "1.5").out())
        .isNotEqualTo(first.out());
  }

  @Test
  void settingsReachTheSampler() {
    var one = run("-p", "Once", "-n", "12", "--temperature", "5", "--top-k", "1");
    assertThat(one.out()).isEqualTo(greedy("Once").out());
    var punished = greedy("Once upon a time", "--repetition-penalty", "5");
    assertThat(punished.out()).isNotEqualTo(greedy("Once upon a time").out());
  }

  @Test
  void aStopStringEndsTheText() {
    var whole = greedy("Once upon a time").out();
    var stop = whole.substring(4, 7);
    var json = greedy("Once upon a time", "--json", "--stop", "nowhere#", "--stop", stop).json();
    assertThat(json.get("text").textValue()).isEqualTo(whole.substring(0, whole.indexOf(stop)));
    assertThat(json.get("finish_reason").textValue()).isEqualTo("stop");
    assertThat(json.get("stop").textValue()).isEqualTo(stop);
  }

  @Test
  void logProbabilitiesStandInTheObject() {
    var json = greedy("Once upon a time", "--json", "--logprobs", "3").json();
    assertThat(json.get("logprobs")).hasSize(12);
    for (int i = 0; i < 12; i++) {
      var position = json.get("logprobs").get(i);
      assertThat(position.at("/chosen/token")).isEqualTo(json.get("tokens").get(i));
      assertThat(position.get("top")).hasSize(3);
      // Greedy: the chosen one is the most probable.
      assertThat(position.at("/top/0")).isEqualTo(position.get("chosen"));
      assertThat(position.at("/top/1/logprob").doubleValue())
          .isLessThanOrEqualTo(position.at("/top/0/logprob").doubleValue());
    }
  }

  @Test
  void aModelThatDraftsForItselfIsAlwaysRight() {
    var json = greedy("Once upon a time", "--json", "--draft", model).json();
    assertThat(json.get("text")).isEqualTo(greedy("Once upon a time", "--json").json().get("text"));
    assertThat(json.at("/draft/acceptance_rate").doubleValue()).isEqualTo(1);
    assertThat(json.at("/draft/ear").doubleValue()).isEqualTo(1);
    var stats = greedy("Once upon a time", "--stats", "--draft", model);
    assertThat(stats.err()).contains("acceptance rate 1.0000, EAR 1.0000");
  }

  @Test
  void thePromptMayStandInAFile() throws IOException {
    var file = Files.writeString(folder.resolve("prompt.txt"), "Zażółć 🦊 once");
    var run = run("--prompt-file", file.toString(), "-n", "12", "--temperature", "0");
    assertThat(run.out()).isNotBlank().isEqualTo(greedy("Zażółć 🦊 once").out());
  }

  @Test
  void whatIsNotUtf8IsNamedByItsPlace() throws IOException {
    var file = folder.resolve("latin.txt");
    Files.write(file, new byte[] {'c', 'a', 'f', (byte) 0xe9, '!'});
    assertMistake(run("--prompt-file", file.toString()), "not UTF-8 text: byte 0xe9 at position 3");
  }

  @Test
  void aLongPromptIsRefusedOrCut() {
    var words = String.join(" ", IntStream.range(0, 60).mapToObj(i -> "word " + i).toList());
    assertMistake(greedy(words, "--context", "32"), "32", "--truncate");
    var cut = greedy(words, "--context", "32", "--truncate", "--json").json();
    assertThat(cut.get("prompt_tokens").intValue()).isBetween(16, 31);
    assertThat(cut.get("tokens")).isNotEmpty();
  }

  @Test
  void anEmptyPromptBeginsAText() {
    var run = greedy("", "--json");
    assertThat(run.json().get("prompt_tokens").intValue()).isEqualTo(1);
    assertThat(run.json().get("text").textValue()).isNotEmpty();
  }

  /** Seven digits in place of three: the first tokens are the same, their probabilities not. */
  @Test
  void keysAndValuesAreKeptAsAsked() {
    var half = greedy("Once upon a time", "--json", "--logprobs", "0").json();
    var full = greedy("Once upon a time", "--json", "--logprobs", "0", "--kv", "f32").json();
    assertThat(full.get("tokens").get(0)).isEqualTo(half.get("tokens").get(0));
    assertThat(full.at("/logprobs/1/chosen/logprob"))
        .isNotEqualTo(half.at("/logprobs/1/chosen/logprob"));
    assertThat(full.at("/logprobs/1/chosen/logprob").doubleValue())
        .isCloseTo(half.at("/logprobs/1/chosen/logprob").doubleValue(), within(1e-2));
  }

  @Test
  void kernelsAreNamed() {
    assertMistake(
        Invocation.of("run", model, "-p", "x", "--kernels", "scaler"), "did you mean 'scalar'?");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "-p x -n 0 | 1 is the least",
        "-p x --temperature -1 | temperature is -1.0",
        "-p x --temperature hot | 'hot'",
        "-p x --top-p 0 | top-p is 0.0",
        "-p x --logprobs 3 | --json",
        "-p x --json --logprobs -2 | --logprobs is 0",
        "-p x --context 1 | 2 is the least",
        "-p x --threads 0 | at least one thread",
        "-p x --prompt-file y | leave one out",
        "-n 4 | there is no prompt",
        "--prompt-file nowhere.txt | there is no file nowhere.txt",
        "-p x --draft nowhere | nowhere",
        "-p x --kv f8 | unknown type of keys and values 'f8'; did you mean 'f16'?",
      })
  void mistakesAreOneLine(String arguments, String message) {
    assertMistake(run(arguments.split(" ")), message);
  }
}

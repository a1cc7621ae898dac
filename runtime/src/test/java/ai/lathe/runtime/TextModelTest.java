package ai.lathe.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.chat.Message;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.runtime.generation.FinishReason;
import ai.lathe.runtime.generation.GenerationListener;
import ai.lathe.runtime.generation.GenerationOptions;
import ai.lathe.runtime.generation.Logprobs;
import ai.lathe.runtime.generation.Sampling;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.TorchModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The embedded model, as an application uses it. */
@Timeout(180)
class TextModelTest {

  private static final RuntimeOptions TWO = RuntimeOptions.DEFAULT.withThreads(2);
  private static final GenerationOptions GREEDY =
      GenerationOptions.greedy().withMaxTokens(30).withIgnoreEnd(true);

  @TempDir static Path folder;
  private static String location;
  private static TextModel model;

  @BeforeAll
  static void open() {
    location = EmbeddedModel.extract(folder.resolve("model")).directory().toString();
    model = TextModel.open(location, TWO, Progress.NONE);
  }

  @AfterAll
  static void close() {
    model.close();
  }

  @Test
  void greedyTokensAreTheOtherExecutors() {
    var generation = model.generate("The first", GREEDY);
    try (var checkpoint = Checkpoints.open(location);
        var torch = TorchModel.of(checkpoint)) {
      var tokens = model.tokens("The first", true);
      int vocabulary = torch.vocabularySize();
      var row = new float[vocabulary];
      for (int i = 0; i < 30; i++) {
        try (var logits = torch.forward(tokens)) {
          logits.rows(tokens.length - 1, tokens.length, row);
        }
        int best =
            IntStream.range(0, vocabulary).reduce((a, b) -> row[b] > row[a] ? b : a).getAsInt();
        tokens = Arrays.copyOf(tokens, tokens.length + 1);
        tokens[tokens.length - 1] = best;
      }
      var expected = Arrays.stream(tokens).skip(tokens.length - 30).boxed().toList();
      assertThat(generation.tokens()).isEqualTo(expected);
      assertThat("The first" + generation.text()).isEqualTo(model.text(tokens));
    }
    assertThat(generation.reason()).isEqualTo(FinishReason.LENGTH);
    assertThat(generation.promptSeconds()).isPositive();
  }

  @Test
  void piecesAreTheTextAndProgressIsTold() {
    var pieces = new StringBuilder();
    var tokens = new ArrayList<Integer>();
    var read = new ArrayList<Integer>();
    var listener =
        new GenerationListener() {
          @Override
          public void text(String piece) {
            pieces.append(piece);
          }

          @Override
          public void token(int token, Logprobs logprobs) {
            tokens.add(token);
            assertThat(logprobs.top()).hasSize(2);
            assertThat(logprobs.chosen()).isEqualTo(logprobs.top().getFirst());
          }

          @Override
          public void progress(int done, int promptTokens) {
            read.add(done);
            assertThat(promptTokens).isEqualTo(model.tokens("It was a", true).length);
          }
        };
    var options = GREEDY.withSampling(Sampling.greedy().withLogprobs(2));
    var generation = model.generate("It was a", options, listener);
    assertThat(pieces.toString()).isEqualTo(generation.text()).isNotEmpty();
    assertThat(tokens).isEqualTo(generation.tokens());
    assertThat(generation.logprobs()).hasSize(30);
    assertThat(read.getLast()).isEqualTo(generation.promptTokens());
  }

  @Test
  void aSeedIsAText() {
    var sampling = Sampling.standard().withSeed(42).withTemperature(1.2);
    var options = GREEDY.withSampling(sampling);
    var first = model.generate("He said", options);
    assertThat(model.generate("He said", options).text()).isEqualTo(first.text());
    assertThat(model.generate("He said", GREEDY.withSampling(sampling.withSeed(43))).text())
        .isNotEqualTo(first.text());
  }

  @Test
  void stopStringsAndCancellationEndATextInside() {
    var whole = model.generate("In the year", GREEDY);
    var stop = whole.text().substring(10, 14);
    int at = whole.text().indexOf(stop);
    var stopped = model.generate("In the year", GREEDY.withStops(List.of(stop)));
    assertThat(stopped.text()).isEqualTo(whole.text().substring(0, at));
    assertThat(stopped.reason()).isEqualTo(FinishReason.STOP);
    assertThat(stopped.stop()).contains(stop);
    assertThat(stopped.tokens().size()).isLessThan(30);
    var seen = new StringBuilder();
    var cancelled =
        model.generate(
            "In the year",
            GREEDY,
            new GenerationListener() {
              @Override
              public void text(String piece) {
                seen.append(piece);
              }

              @Override
              public boolean cancelled() {
                return seen.length() > 8;
              }
            });
    assertThat(cancelled.reason()).isEqualTo(FinishReason.CANCELLED);
    assertThat(whole.text()).startsWith(cancelled.text());
    assertThat(cancelled.tokens().size()).isLessThan(30);
  }

  @Test
  void theNextTurnDoesNotReadTheFirstAgain() {
    try (var own = TextModel.open(location, TWO, Progress.NONE)) {
      var first = own.generate("The city of London", GREEDY);
      var tokens =
          IntStream.concat(
                  Arrays.stream(own.tokens("The city of London", true)),
                  first.tokens().stream().mapToInt(Integer::intValue))
              .toArray();
      var second = own.generate(tokens, GREEDY, GenerationListener.NONE);
      assertThat(second.reusedTokens()).isEqualTo(tokens.length - 1);
      var fresh = model.generate(tokens, GREEDY, GenerationListener.NONE);
      assertThat(second.tokens()).isEqualTo(fresh.tokens());
    }
  }

  @Test
  void theModelDraftsForItself() {
    try (var own = TextModel.open(location, TWO.withDraft(location, 3), Progress.NONE)) {
      var drafted = own.generate("The first", GREEDY);
      assertThat(drafted.tokens()).isEqualTo(model.generate("The first", GREEDY).tokens());
      assertThat(drafted.speculation().drafted()).isPositive();
      assertThat(drafted.speculation().acceptance()).isEqualTo(1);
      var sampled = own.generate("The first", GREEDY.withSampling(Sampling.plain(7)));
      assertThat(sampled.speculation().acceptance()).isGreaterThan(0.99);
      assertThat(sampled.speculation().expected()).isGreaterThan(0.999);
    }
  }

  /** Each thread has the text that it would have alone, whoever joins and leaves meanwhile. */
  @Test
  void threadsShareTheModel() throws Exception {
    var prompts =
        List.of("The first", "He said that", "It was a", "In the year 1", "The city", "She had");
    var expected = new ArrayList<String>();
    for (int i = 0; i < 12; i++) {
      expected.add(model.generate(prompts.get(i % 6), options(i)).text());
    }
    try (var threads = Executors.newFixedThreadPool(4);
        var own = TextModel.open(location, TWO, Progress.NONE)) {
      var texts = new ArrayList<Future<String>>();
      for (int i = 0; i < 12; i++) {
        int index = i;
        texts.add(
            threads.submit(() -> own.generate(prompts.get(index % 6), options(index)).text()));
      }
      for (int i = 0; i < 12; i++) {
        assertThat(texts.get(i).get()).as("text %d", i).isEqualTo(expected.get(i));
      }
    }
  }

  private static GenerationOptions options(int i) {
    var sampling = i % 2 == 0 ? Sampling.greedy() : Sampling.standard().withSeed(i);
    return GREEDY.withSampling(sampling).withMaxTokens(10 + 3 * i);
  }

  @Test
  void aSlowListenerHoldsNobodyUp() throws Exception {
    var release = new CountDownLatch(1);
    var waits = new CountDownLatch(1);
    var slow =
        CompletableFuture.supplyAsync(
            () ->
                model.generate(
                    "The first",
                    GREEDY,
                    piece -> {
                      waits.countDown();
                      await(release);
                    }));
    assertThat(waits.await(20, TimeUnit.SECONDS)).isTrue();
    assertThat(model.generate("It was a", GREEDY).tokens()).hasSize(30);
    assertThat(slow).isNotDone();
    release.countDown();
    assertThat(slow.get().tokens()).hasSize(30);
  }

  private static void await(CountDownLatch latch) {
    try {
      assertThat(latch.await(20, TimeUnit.SECONDS)).isTrue();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  /** Some wait in their listeners, one computes all the time: all end, and nothing crashes. */
  @Test
  void closingWhileOthersGenerate() throws Exception {
    try (var threads = Executors.newFixedThreadPool(4)) {
      for (int round = 0; round < 3; round++) {
        var own = TextModel.open(location, TWO, Progress.NONE);
        var started = new CountDownLatch(3);
        var closing = new CountDownLatch(1);
        var running = new ArrayList<Future<?>>();
        for (int i = 0; i < 2; i++) {
          running.add(
              threads.submit(
                  () ->
                      own.generate(
                          "The first",
                          GREEDY,
                          piece -> {
                            started.countDown();
                            await(closing);
                          })));
        }
        running.add(
            threads.submit(
                () -> {
                  while (true) {
                    own.generate("It was", GREEDY);
                    started.countDown();
                  }
                }));
        await(started);
        var closer = threads.submit(own::close);
        while (isOpen(own)) {
          Thread.onSpinWait();
        }
        closing.countDown();
        for (var one : running) {
          assertThatThrownBy(one::get)
              .isInstanceOf(ExecutionException.class)
              .hasCauseInstanceOf(ClosedModelException.class);
        }
        closer.get();
        own.close();
        assertThatThrownBy(() -> own.generate("x", GREEDY))
            .isInstanceOf(ClosedModelException.class);
      }
    }
  }

  private static boolean isOpen(TextModel model) {
    try {
      model.tokens("x", true);
      return true;
    } catch (ClosedModelException e) {
      return false;
    }
  }

  @Test
  void closingWithinAListener() {
    var own = TextModel.open(location, TWO, Progress.NONE);
    assertThatThrownBy(() -> own.generate("The first", GREEDY, piece -> own.close()))
        .isInstanceOf(ClosedModelException.class);
  }

  @Test
  void whatAListenerThrowsComesBack() {
    assertThatThrownBy(
            () ->
                model.generate(
                    "The first",
                    GREEDY,
                    piece -> {
                      throw new IllegalStateException("enough");
                    }))
        .hasMessage("enough");
    assertThat(model.generate("The first", GREEDY).tokens()).hasSize(30);
  }

  @Test
  void promptsThatDoNotFit() {
    int context = model.contextLength();
    var longPrompt = "word ".repeat(context);
    assertThatThrownBy(() -> model.generate(longPrompt, GREEDY))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("the model's context has room for " + (context - 1));
    var cut = model.generate(longPrompt, GREEDY.withTruncatePrompt(true).withMaxTokens(5));
    assertThat(cut.promptTokens()).isEqualTo(context - 5);
    assertThat(cut.tokens()).hasSize(5);
    assertThatThrownBy(
            () -> model.generate(new int[] {1, 1 << 30}, GREEDY, GenerationListener.NONE))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("token 1 of the prompt");
    assertThatThrownBy(() -> model.generate("a\ud800b", GREEDY))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("half a character at position 1");
    assertThat(model.generate("", GREEDY.withMaxTokens(3)).tokens()).hasSize(3);
  }

  @Test
  void modelsThatCannotGenerate() throws IOException {
    var bare = folder.resolve("bare");
    Files.createDirectories(bare);
    for (var name : List.of("config.json", "model.safetensors")) {
      Files.copy(Path.of(location).resolve(name), bare.resolve(name));
    }
    assertThatThrownBy(() -> TextModel.open(bare.toString(), TWO, Progress.NONE))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("no tokenizer");
    var other = "../torch/src/test/resources/golden/llama";
    assertThatThrownBy(() -> TextModel.open(location, TWO.withDraft(other, 3), Progress.NONE))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("cannot draft for");
  }

  @Test
  void chatFollowsTheTemplate() throws IOException {
    assertThat(model.canChat()).isFalse();
    assertThatThrownBy(() -> model.chat(List.of(Message.user("Hi")), GREEDY))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("no chat template");
    var talker = EmbeddedModel.extract(folder.resolve("talker")).directory();
    Files.writeString(
        talker.resolve("chat_template.jinja"),
        "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
            + "{% if add_generation_prompt %}assistant:{% endif %}");
    try (var own = TextModel.open(talker.toString(), TWO, Progress.NONE)) {
      var messages = List.of(Message.system("Be brief."), Message.user("Who are you?"));
      var prompt = own.tokens(Conversation.of(messages));
      // The template has the BOS, and nothing puts another before it.
      assertThat(prompt).startsWith(0).satisfies(tokens -> assertThat(tokens[1]).isNotZero());
      assertThat(own.text(prompt)).isEqualTo("system: Be brief.\nuser: Who are you?\nassistant:");
      var answer = own.chat(messages, GREEDY);
      var expected = own.generate(prompt, GREEDY, GenerationListener.NONE);
      assertThat(answer.tokens()).isEqualTo(expected.tokens());
    }
  }

  /** What a file names as its ends, and the ends of turns that its vocabulary has. */
  @Test
  void endTokensEndTexts() throws IOException {
    var ending = EmbeddedModel.extract(folder.resolve("ending")).directory();
    int third = model.generate("The first", GREEDY).tokens().get(2);
    Files.writeString(
        ending.resolve("generation_config.json"), "{\"eos_token_id\": [1, " + third + "]}");
    try (var own = TextModel.open(ending.toString(), TWO, Progress.NONE)) {
      var ended = own.generate("The first", GREEDY.withIgnoreEnd(false));
      assertThat(ended.reason()).isEqualTo(FinishReason.END);
      assertThat(ended.tokens()).doesNotContain(third).hasSizeLessThan(3);
    }
  }
}

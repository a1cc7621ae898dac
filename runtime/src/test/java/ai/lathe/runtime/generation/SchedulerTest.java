package ai.lathe.runtime.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.tensor.LatheException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SchedulerTest {

  private static final int[] NO_ENDS = {};

  private static TableModel model() {
    return new TableModel(50, 200, 32, 1, 6, 0);
  }

  /** A model that is like {@link #model()}, but not the same. */
  private static TableModel alike(float noise) {
    return new TableModel(50, 200, 32, 1, 6, noise);
  }

  private static int[] prompt(int seed, int length) {
    return new SplittableRandom(seed).ints(length, 0, 50).toArray();
  }

  private static int[] output(Task task) {
    return Arrays.copyOfRange(task.tokens, task.promptTokens, task.count);
  }

  private static int[] alone(int[] prompt, Sampling sampling, int count, int[] ends) {
    try (var scheduler = new Scheduler(model(), null, ends, Limits.STANDARD)) {
      var task = submit(scheduler, prompt, sampling, count, true);
      finish(scheduler);
      return output(task);
    }
  }

  private static Task submit(
      Scheduler scheduler, int[] prompt, Sampling sampling, int count, boolean ends) {
    var task = scheduler.task(prompt, sampling, count, ends);
    scheduler.enter(task);
    return task;
  }

  private static void finish(Scheduler scheduler) {
    while (!scheduler.isIdle()) {
      scheduler.step();
    }
  }

  /** Sequences that join and leave at any time have the tokens that they would have alone. */
  @Test
  void togetherAsAlone() {
    var model = model();
    var random = new SplittableRandom(3);
    int[] ends = {7, 9};
    var tasks = new ArrayList<Task>();
    var expected = new ArrayList<int[]>();
    try (var scheduler = new Scheduler(model, null, ends, new Limits(5, 8, 3, Long.MAX_VALUE))) {
      for (int i = 0; i < 40; i++) {
        var prompt = prompt(i % 11, 1 + random.nextInt(60));
        var sampling =
            (i % 3 == 0 ? Sampling.greedy() : Sampling.standard().withTemperature(1.5))
                .withSeed(i)
                .withPenalties(i % 2 == 0 ? 1 : 1.3, 0.1, 0.1);
        int count = 1 + random.nextInt(50);
        tasks.add(submit(scheduler, prompt, sampling, count, true));
        expected.add(alone(prompt, sampling, count, ends));
        for (int steps = random.nextInt(6); steps > 0; steps--) {
          scheduler.step();
        }
      }
      finish(scheduler);
    }
    for (int i = 0; i < tasks.size(); i++) {
      assertThat(output(tasks.get(i))).as("sequence %d", i).isEqualTo(expected.get(i));
    }
    assertThat(model.open).isZero();
    assertThat(tasks)
        .extracting(task -> task.finished)
        .contains(FinishReason.END, FinishReason.LENGTH);
  }

  @Test
  void aLongPromptDoesNotHoldOthersUp() {
    var model = model();
    try (var scheduler =
        new Scheduler(model, null, NO_ENDS, new Limits(4, 10, 0, Long.MAX_VALUE))) {
      var writer = submit(scheduler, prompt(1, 3), Sampling.greedy(), 100, true);
      scheduler.step();
      var reader = submit(scheduler, prompt(2, 95), Sampling.greedy(), 5, true);
      for (int step = 0; step < 10; step++) {
        int before = writer.count;
        scheduler.step();
        assertThat(writer.count).isEqualTo(before + 1);
      }
      assertThat(reader.count - reader.promptTokens).isEqualTo(1);
      assertThat(model.batches).allMatch(tokens -> tokens <= 11);
    }
  }

  /** Alone, a prompt is read in the largest batches that the model takes. */
  @Test
  void promptsAreReadInWholeBatches() {
    var model = model();
    try (var scheduler =
        new Scheduler(model, null, NO_ENDS, new Limits(4, 10, 0, Long.MAX_VALUE))) {
      submit(scheduler, prompt(1, 70), Sampling.greedy(), 2, true);
      finish(scheduler);
      assertThat(model.batches).containsExactly(32, 32, 6, 1);
    }
  }

  @Test
  void promptsThatBeginAlikeAreNotReadAgain() {
    var model = model();
    try (var scheduler =
        new Scheduler(model, null, NO_ENDS, new Limits(4, 10, 2, Long.MAX_VALUE))) {
      var first = submit(scheduler, prompt(1, 20), Sampling.greedy(), 10, true);
      finish(scheduler);
      var longer = Arrays.copyOf(first.tokens, 33);
      var second = submit(scheduler, longer, Sampling.greedy(), 10, true);
      model.batches.clear();
      finish(scheduler);
      // The last token of the first sequence was never read.
      assertThat(second.reused).isEqualTo(29);
      assertThat(model.batches.getFirst()).isEqualTo(4);
      assertThat(output(second)).isEqualTo(alone(longer, Sampling.greedy(), 10, NO_ENDS));
      var third = submit(scheduler, prompt(5, 20), Sampling.greedy(), 10, true);
      finish(scheduler);
      assertThat(third.reused).isZero();
      var again = submit(scheduler, longer, Sampling.greedy(), 10, true);
      finish(scheduler);
      assertThat(again.reused).isEqualTo(32);
      assertThat(output(again)).isEqualTo(output(second));
      assertThat(model.open).isEqualTo(2);
    }
    assertThat(model.open).isZero();
  }

  /** Three of 25 tokens in a cache of 60 bytes, a byte a token: two at once, the third waits. */
  @Test
  void whoDoesNotFitIntoTheCacheWaits() {
    var model = model();
    var limits = new Limits(8, 10, 4, 60);
    try (var scheduler = new Scheduler(model, null, NO_ENDS, limits)) {
      var tasks = new ArrayList<Task>();
      for (int i = 1; i <= 3; i++) {
        tasks.add(submit(scheduler, prompt(i, 5), Sampling.greedy(), 20, true));
      }
      scheduler.step();
      assertThat(model.open).isEqualTo(2);
      finish(scheduler);
      for (int i = 1; i <= 3; i++) {
        assertThat(output(tasks.get(i - 1)))
            .isEqualTo(alone(prompt(i, 5), Sampling.greedy(), 20, NO_ENDS));
      }
      // One that was over gave way to the third.
      assertThat(model.open).isEqualTo(2);
      assertThatThrownBy(() -> scheduler.task(prompt(1, 5), Sampling.greedy(), 56, true))
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("61 bytes")
          .hasMessageContaining("60");
    }
  }

  @Test
  void cancelledSequencesLeave() {
    var model = model();
    try (var scheduler =
        new Scheduler(model, null, NO_ENDS, new Limits(1, 10, 0, Long.MAX_VALUE))) {
      var a = submit(scheduler, prompt(1, 5), Sampling.greedy(), 50, true);
      var b = submit(scheduler, prompt(2, 5), Sampling.greedy(), 5, true);
      scheduler.step();
      scheduler.cancel(a);
      finish(scheduler);
      assertThat(a.finished).isEqualTo(FinishReason.CANCELLED);
      assertThat(a.count).isEqualTo(6);
      assertThat(output(b)).isEqualTo(alone(prompt(2, 5), Sampling.greedy(), 5, NO_ENDS));
      assertThat(model.open).isZero();
    }
  }

  @Test
  void theContextEndsASequence() {
    try (var scheduler = new Scheduler(model(), null, NO_ENDS, Limits.STANDARD)) {
      var task = submit(scheduler, prompt(1, 190), Sampling.greedy(), 50, true);
      finish(scheduler);
      assertThat(task.finished).isEqualTo(FinishReason.CONTEXT);
      assertThat(task.count).isEqualTo(200);
    }
  }

  @Test
  void whatCannotRunIsRefused() {
    try (var scheduler = new Scheduler(model(), null, NO_ENDS, Limits.STANDARD)) {
      refused(scheduler, new int[0], 1, "no tokens");
      refused(
          scheduler,
          prompt(1, 200),
          1,
          "prompt has 200 tokens; the model's context has room for 199");
      refused(
          scheduler,
          new int[] {3, 50},
          1,
          "token 1 of the prompt is 50; the model's tokens are from 0 to 49");
      refused(scheduler, new int[] {-1}, 1, "is -1");
      refused(scheduler, new int[] {1}, 0, "at most 0 tokens");
      assertThat(scheduler.isIdle()).isTrue();
    }
  }

  private static void refused(Scheduler scheduler, int[] prompt, int asked, String why) {
    assertThatThrownBy(() -> submit(scheduler, prompt, Sampling.greedy(), asked, true))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining(why);
  }

  @Test
  void aBrokenBatchFailsItsSequencesAndNoOther() {
    var model = model();
    try (var scheduler = new Scheduler(model, null, NO_ENDS, Limits.STANDARD)) {
      var task = submit(scheduler, prompt(1, 5), Sampling.greedy(), 5, true);
      model.broken = new LatheException("block 1 gives NaN");
      finish(scheduler);
      assertThat(task.failure).hasMessage("block 1 gives NaN");
      assertThat(model.open).isZero();
      model.broken = null;
      var next = submit(scheduler, prompt(1, 5), Sampling.greedy(), 5, true);
      finish(scheduler);
      assertThat(output(next)).isEqualTo(alone(prompt(1, 5), Sampling.greedy(), 5, NO_ENDS));
    }
  }

  @Test
  void greedyWithADraftIsGreedy() {
    for (float noise : new float[] {0, 2, 100}) {
      var model = model();
      var draft = alike(noise);
      var random = new SplittableRandom(4);
      var tasks = new ArrayList<Task>();
      try (var scheduler =
          new Scheduler(
              model, new Drafter(draft, 4), new int[] {7}, new Limits(3, 8, 2, Long.MAX_VALUE))) {
        for (int i = 0; i < 12; i++) {
          var sampling = Sampling.greedy().withPenalties(i % 2 == 0 ? 1 : 1.2, 0, 0.1);
          tasks.add(
              submit(scheduler, prompt(i % 5, 1 + i * 3), sampling, 1 + random.nextInt(60), true));
          scheduler.step();
        }
        finish(scheduler);
      }
      for (int i = 0; i < tasks.size(); i++) {
        var task = tasks.get(i);
        var sampling = Sampling.greedy().withPenalties(i % 2 == 0 ? 1 : 1.2, 0, 0.1);
        assertThat(output(task))
            .isEqualTo(alone(prompt(i % 5, 1 + i * 3), sampling, task.asked, new int[] {7}));
      }
      long judged = tasks.stream().mapToLong(t -> t.judged).sum();
      long accepted = tasks.stream().mapToLong(t -> t.accepted).sum();
      assertThat(judged).isPositive();
      if (noise == 0) {
        assertThat(accepted).isEqualTo(judged);
        assertThat(model.batches.size()).isLessThan(draft.batches.size());
      } else {
        assertThat(accepted).isBetween(1L, judged - 1);
      }
      assertThat(model.open + draft.open).isZero();
    }
  }

  /** All texts of three tokens of a vocabulary of four, by their exact probabilities. */
  @Test
  void speculationDrawsFromTheModelsOwnDistribution() {
    var model = new TableModel(4, 20, 20, 5, 2, 0);
    var draft = new TableModel(4, 20, 20, 5, 2, 2.5f);
    var sampling = Sampling.plain(0).withTemperature(0.8).withTopK(3).withPenalties(1, 0.3, 0);
    int[] prompt = {1};
    int runs = 20_000;
    var counts = new int[64];
    long judged = 0;
    long accepted = 0;
    double overlap = 0;
    try (var scheduler =
        new Scheduler(model, new Drafter(draft, 2), NO_ENDS, new Limits(8, 8, 0, Long.MAX_VALUE))) {
      for (int run = 0; run < runs; run++) {
        var task = submit(scheduler, prompt, sampling.withSeed(run), 3, true);
        finish(scheduler);
        var text = output(task);
        counts[text[0] * 16 + text[1] * 4 + text[2]]++;
        judged += task.judged;
        accepted += task.accepted;
        overlap += task.overlap;
      }
    }
    double chi = 0;
    int cells = 0;
    for (int code = 0; code < 64; code++) {
      double mean = runs * probability(model, sampling, prompt, code / 16, code / 4 % 4, code % 4);
      if (mean == 0) {
        assertThat(counts[code]).isZero();
        continue;
      }
      chi += (counts[code] - mean) * (counts[code] - mean) / mean;
      cells++;
    }
    assertThat(cells).isEqualTo(27);
    assertThat(chi).isLessThan(cells - 1 + 5 * Math.sqrt(2.0 * (cells - 1)));
    // The expected acceptance rate is what it is called.
    assertThat((double) accepted / judged)
        .isCloseTo(overlap / judged, within(0.01))
        .isBetween(0.3, 0.95);
  }

  private static double probability(
      TableModel model, Sampling sampling, int[] prompt, int... text) {
    double probability = 1;
    var distribution = new Distribution(4);
    var sampler = new Sampler(sampling, distribution);
    var tokens = prompt;
    for (int token : text) {
      sampler.shape(MemorySegment.ofArray(model.logits(tokens)), 0);
      probability *= distribution.probability(token);
      sampler.accept(token);
      tokens = IntStream.concat(Arrays.stream(tokens), IntStream.of(token)).toArray();
    }
    return probability;
  }

  @Test
  void draftsThatCannotBe() {
    for (int tokens : List.of(0, 33)) {
      assertThatThrownBy(() -> new Drafter(model(), tokens))
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("from 1 to 32");
    }
  }
}

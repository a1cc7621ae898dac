package ai.lathe.compress.search;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.allocation.Allocation;
import ai.lathe.compress.measure.Executor;
import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.transform.SharedData;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.Precision;
import ai.lathe.torch.Torch;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Whole allocations on stories260K, whose layers are rounded to nearest. */
class ModelFitnessTest {

  private static final long PLENTY = 1L << 30;

  private static Checkpoint model;
  private static RoundedLevels levels;
  private static List<int[]> sequences;
  private static int threads;

  @BeforeAll
  static void open() throws IOException {
    threads = Torch.threads();
    Torch.threads(1);
    model = Checkpoints.open(SharedData.file("models/stories260K").toString());
    levels = new RoundedLevels(model, 32, 2, 3, 4, 8);
    var text = Files.readString(SharedData.file("text/tinystories_a.txt")).substring(0, 20_000);
    var tokens = model.tokenizer().orElseThrow().encode(text);
    sequences = new ArrayList<>();
    for (int at = 0; sequences.size() < 34; at += 64) {
      sequences.add(Arrays.copyOfRange(tokens, at, at + 64));
    }
  }

  @AfterAll
  static void close() {
    model.close();
    Torch.threads(threads);
  }

  @Test
  void aCandidateIsMeasuredAsTheWholeModelWouldBe() {
    var allocation = random(1);
    var whole = (Measurement.Language) measured(levels.mixture(allocation), model, sequences);
    try (var fitness = fitness(Objective.KL, PLENTY);
        var batch = fitness.all()) {
      assertThat(batch.loss(allocation)).isEqualTo(whole.kl(), within(1e-12));
      assertThat(batch.loss(original())).isEqualTo(0);
    }
    try (var fitness = fitness(Objective.ACCEPTANCE, PLENTY);
        var batch = fitness.all()) {
      assertThat(batch.loss(allocation)).isEqualTo(1 - whole.ear(), within(1e-12));
    }
    try (var fitness = fitness(Objective.PERPLEXITY, PLENTY);
        var batch = fitness.all()) {
      double ratio = whole.perplexity() / whole.referencePerplexity();
      assertThat(batch.loss(allocation)).isEqualTo(Math.log(ratio), within(1e-9));
    }
    // The model has 512 tokens: the likeliest 512 are all of them.
    try (var fitness = fitness(Objective.TOP_K_KL, PLENTY);
        var batch = fitness.all()) {
      assertThat(batch.loss(allocation)).isEqualTo(whole.kl(), within(1e-9));
    }
  }

  @Test
  void textThatWasCutIsMeasuredAlike() {
    var allocation = random(2);
    try (var fitness = fitness(Objective.KL, PLENTY);
        var batch = (TextBatch) fitness.draw(330, new Random(3))) {
      var drawn = batch.sequences();
      assertThat(drawn.stream().mapToInt(sequence -> sequence.length).sum()).isEqualTo(330);
      assertThat(drawn.stream().map(Arrays::hashCode).distinct()).hasSize(drawn.size());
      var whole = (Measurement.Language) measured(levels.mixture(allocation), model, drawn);
      assertThat(batch.loss(allocation)).isEqualTo(whole.kl(), within(1e-6));
    }
  }

  @Test
  void memoryChangesCostsOnly() {
    var allocations = new ArrayList<Allocation>();
    for (int seed = 0; seed < 3; seed++) {
      var choices = new ArrayList<>(random(seed).choices());
      allocations.add(new Allocation(choices));
      choices.set(choices.size() - 9, 0);
      allocations.add(new Allocation(choices));
    }
    try (var rich = fitness(Objective.KL, PLENTY);
        var poor = fitness(Objective.KL, 0);
        var held = rich.all();
        var unheld = poor.all()) {
      var together = held.losses(allocations);
      assertThat(unheld.losses(allocations)).isEqualTo(together);
      for (int i = 0; i < allocations.size(); i++) {
        try (var alone = rich.all()) {
          assertThat(alone.loss(allocations.get(i))).isEqualTo(together[i]);
        }
      }
    }
  }

  @Test
  void onlyWhatFollowsTheFirstChangeIsRun() {
    int last = levels.table().units().size() - 1;
    var first = random(5);
    var choices = new ArrayList<>(first.choices());
    choices.set(last, (choices.get(last) + 1) % 4);
    var settings = new FitnessSettings(Objective.KL, 512, Precision.FLOAT32, 0, PLENTY, PLENTY);
    try (var fitness = new ModelFitness(model, levels, sequences.subList(0, 8), settings);
        var batch = fitness.all()) {
      batch.loss(first);
      int before = levels.reads;
      batch.loss(first);
      assertThat(levels.reads).isEqualTo(before);
      batch.loss(new Allocation(choices));
      // The seven layers of the last block, and the head.
      assertThat(levels.reads - before).isEqualTo(8);
    }
  }

  @Test
  void limitsOfMemoryHold() {
    var settings = new FitnessSettings(Objective.KL, 512, Precision.FLOAT32, 400_000, 2_000_000, 0);
    try (var fitness = new ModelFitness(model, levels, sequences, settings);
        var batch = fitness.all()) {
      for (int seed = 0; seed < 4; seed++) {
        batch.loss(random(seed));
        assertThat(fitness.layerBytes()).isPositive().isLessThanOrEqualTo(400_000);
        assertThat(fitness.states().bytes()).isPositive().isLessThanOrEqualTo(2_000_000);
      }
    }
  }

  @Test
  void anEncoderIsMeasuredByItsEmbeddings() {
    var bert = Path.of("../torch/src/test/resources/golden/bert");
    try (var encoder = Checkpoints.open(bert.toString())) {
      var rounded = new RoundedLevels(encoder, 16, 2, 4);
      var random = new Random(0);
      var texts = new ArrayList<int[]>();
      for (int length : new int[] {5, 9, 9, 3}) {
        texts.add(random.ints(length, 0, encoder.config().vocabulary()).toArray());
      }
      var choices = rounded.table().units().stream().map(_ -> random.nextInt(3)).toList();
      var allocation = new Allocation(choices);
      var whole = (Measurement.Embedding) measured(rounded.mixture(allocation), encoder, texts);
      try (var fitness = new ModelFitness(encoder, rounded, texts, settings(Objective.KL, 0));
          var batch = fitness.all()) {
        assertThat(batch.loss(allocation)).isPositive().isEqualTo(1 - whole.cosine(), within(1e-6));
      }
    }
  }

  @Test
  void textThatIsTooShortIsRefused() {
    assertThatThrownBy(() -> new ModelFitness(model, levels, List.of(), settings(Objective.KL, 0)))
        .isInstanceOf(LatheException.class)
        .hasMessage("there is no text to measure allocations on");
    try (var fitness = fitness(Objective.KL, 0)) {
      assertThatThrownBy(() -> fitness.draw(2, new Random()))
          .isInstanceOf(LatheException.class)
          .hasMessage("at least 3 tokens are needed to measure on, not 2");
    }
  }

  private static Measurement measured(Checkpoint mixture, Checkpoint reference, List<int[]> texts) {
    return Measurement.of(Executor.TORCH, mixture, reference, texts, Progress.NONE);
  }

  private static ModelFitness fitness(Objective objective, long memory) {
    return new ModelFitness(model, levels, sequences, settings(objective, memory));
  }

  private static FitnessSettings settings(Objective objective, long memory) {
    return new FitnessSettings(objective, 512, Precision.FLOAT32, memory, memory, memory);
  }

  private static Allocation original() {
    return new Allocation(levels.table().units().stream().map(_ -> 4).toList());
  }

  private static Allocation random(long seed) {
    var random = new Random(seed);
    return new Allocation(levels.table().units().stream().map(_ -> random.nextInt(5)).toList());
  }
}

package ai.lathe.compress.database;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.compress.allocation.Allocation;
import ai.lathe.compress.allocation.Fitness;
import ai.lathe.compress.allocation.LevelStore;
import ai.lathe.compress.allocation.Measure;
import ai.lathe.compress.plan.Target;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.Progress;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.random.RandomGenerator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SensitivityTest {

  @TempDir Path folder;

  /** Tells every allocation apart, and counts. */
  private static final class Counting implements Fitness {
    private final List<Allocation> asked = new ArrayList<>();

    @Override
    public long tokens() {
      return 100;
    }

    @Override
    public Batch draw(int tokens, RandomGenerator random) {
      return new Batch() {
        @Override
        public double loss(Allocation allocation) {
          asked.add(allocation);
          double loss = 0;
          for (int unit = 0; unit < allocation.choices().size(); unit++) {
            loss += (unit + 1) * (allocation.choice(unit) + 1) / 1024.0;
          }
          return loss;
        }

        @Override
        public void close() {}
      };
    }
  }

  /** Each unit alone, once; what was measured stays where levels are added. */
  @Test
  void eachUnitIsMeasuredAloneAndOnce() {
    var directory = folder.resolve("db");
    var random = new Random(1);
    try (var source =
        Checkpoints.open(EmbeddedModel.extract(folder.resolve("embedded")).directory())) {
      var sequences =
          Stream.generate(() -> random.ints(16, 2, source.config().vocabulary()).toArray())
              .limit(2)
              .toList();
      build(source, sequences, directory, "rtn:W4A16");
      var fitness = new Counting();
      LevelDatabase.measure(directory, source, fitness, 50, Progress.NONE);
      assertThat(fitness.asked).hasSize(16);
      for (int i = 0; i < 16; i++) {
        var choices = new ArrayList<Integer>();
        for (int unit = 0; unit < 16; unit++) {
          choices.add(unit == i ? 0 : 1);
        }
        assertThat(fitness.asked.get(i)).isEqualTo(new Allocation(choices));
      }
      LevelDatabase.measure(directory, source, fitness, 50, Progress.NONE);
      assertThat(fitness.asked).hasSize(16);
      build(source, sequences, directory, "rtn:W8A16");
      LevelDatabase.measure(directory, source, fitness, 50, Progress.NONE);
      assertThat(fitness.asked).hasSize(32);
      try (var database = LevelDatabase.open(directory, source)) {
        // Sums of (unit + 1) * (option + 1): all original but for unit 3.
        double all = 2 * 16 * 17 / 2.0;
        var options = database.table().units().get(3).options();
        assertThat(options.get(0).losses().get(Measure.KL)).isEqualTo((all - 4) / 1024);
        assertThat(options.getLast().level()).isEqualTo(LevelStore.ORIGINAL);
        assertThat(options.getLast().losses().get(Measure.KL)).isZero();
      }
    }
  }

  private static void build(
      Checkpoint source, List<int[]> sequences, Path directory, String level) {
    var request = DatabaseRequest.of(directory, LevelSpec.all(List.of(level)), Target.HUGGING_FACE);
    LevelDatabase.build(source, sequences, request, Progress.NONE, _ -> {}).close();
  }
}

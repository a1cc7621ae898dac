package ai.lathe.compress;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.compress.allocation.Allocators;
import ai.lathe.compress.allocation.LevelStore;
import ai.lathe.compress.allocation.Measure;
import ai.lathe.compress.budget.Goal;
import ai.lathe.compress.budget.UnreachableException;
import ai.lathe.compress.calibration.Texts;
import ai.lathe.compress.database.DatabaseRequest;
import ai.lathe.compress.database.LevelDatabase;
import ai.lathe.compress.database.LevelSpec;
import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.plan.Target;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.report.LayerReport;
import ai.lathe.compress.report.Report;
import ai.lathe.eval.data.TextData;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.Progress;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Mixtures of the model that comes with Lathe, over levels that take no time to make. */
class TargetedCompressionTest {

  private static final int SAMPLES = 8;
  private static final int LENGTH = 64;

  @TempDir static Path models;
  private static EmbeddedModel model;
  private static Checkpoint source;
  private static LevelDatabase levels;

  @TempDir Path folder;

  @BeforeAll
  static void build() throws IOException {
    model = EmbeddedModel.extract(models.resolve("embedded"));
    source = Checkpoints.open(model.directory());
    Files.writeString(
        models.resolve("short.txt"), Files.readString(model.heldOut()).substring(0, 1500));
    levels =
        levels("levels", Target.HUGGING_FACE, "rtn:W2A16", "rtn:W3A16", "rtn:W4A16", "rtn:W6A16");
  }

  @AfterAll
  static void close() {
    levels.close();
    source.close();
  }

  private static LevelDatabase levels(String name, Target target, String... names) {
    var texts =
        Texts.calibration(
            ModelKind.DECODER,
            source.tokenizer().orElseThrow(),
            TextData.open(model.calibration(), "text"),
            SAMPLES,
            LENGTH,
            0);
    // Each matrix by itself: many small steps.
    var request =
        new DatabaseRequest(
            models.resolve(name),
            LevelSpec.all(List.of(names)),
            target,
            /* together= */ false,
            Optional.empty(),
            false,
            false);
    return LevelDatabase.build(source, texts.calibration(), request, Progress.NONE, _ -> {});
  }

  @ParameterizedTest
  @ValueSource(strings = {"1.55MB", "1.6 MiB"})
  void aSizeIsUsedToTheLastByteThatLevelsAllow(String size) throws IOException {
    var report = run(Goal.size(size), "m", levels);

    var limit = (long) Goal.size(size).value();
    assertThat(report.size().artifactBytes())
        .isEqualTo(bytes(folder.resolve("m")))
        .isLessThanOrEqualTo(limit)
        .isGreaterThanOrEqualTo((long) (0.995 * limit));
    assertThat(report.allocation().choices()).extracting(c -> c.level()).contains("rtn:W4A16");
  }

  @Test
  void bitsPerWeightCountEveryByteOfLayersThatAreAsTheStoreHasThem() {
    var report = run(Goal.bitsPerWeight(3.5), "m", levels);

    long weights = report.layers().stream().mapToLong(l -> (long) l.rows() * l.columns()).sum();
    long bytes = report.layers().stream().mapToLong(LayerReport::bytes).sum();
    assertThat(weights).isEqualTo(levels.table().weights());
    assertThat(report.allocation().bytes()).isEqualTo(bytes);
    assertThat(8.0 * bytes / weights).isBetween(0.995 * 3.5, 3.5);
    assertThat(report.size().quantizedBitsPerWeight()).isEqualTo(8.0 * bytes / weights);
    try (var written = Checkpoints.open(folder.resolve("m"))) {
      for (int u = 0; u < levels.table().units().size(); u++) {
        var level = report.allocation().choices().get(u).level();
        for (var member : levels.table().units().get(u).members()) {
          var stored = levels.weight(member, level);
          assertThat(written.matrix(member).encoding()).isEqualTo(stored.encoding());
          assertThat(written.matrix(member).decode().values()).isEqualTo(stored.decode().values());
        }
      }
      var head = Address.weight(Role.TOKEN_EMBEDDING);
      assertThat(written.matrix(head).decode().values())
          .isEqualTo(source.matrix(head).decode().values());
    }
  }

  /** Rounding to nearest gives the same weights whoever calls it, and whenever. */
  @Test
  void levelsComputedAgainAreThoseOfTheStoreWhereNothingIsCalibrated() throws IOException {
    run(Goal.bitsPerWeight(3.5), "stored", levels);
    var request = request("again", Target.HUGGING_FACE, false);
    run(
        new TargetRequest(
            request,
            Goal.bitsPerWeight(3.5),
            "levels",
            Allocators.named("knapsack", Map.of()),
            Measure.OUTPUT,
            true),
        levels,
        Progress.NONE);

    assertThat(contents(folder.resolve("again"))).isEqualTo(contents(folder.resolve("stored")));
  }

  @Test
  void whatIsOutOfReachIsToldAndLeavesNothing() {
    assertThatThrownBy(() -> run(Goal.size("1MB"), "m", levels))
        .isInstanceOf(UnreachableException.class)
        .hasMessageMatching("1 MB cannot be reached: .* go from 1\\.\\d+ MB to 5\\.\\d+ MB");
    assertThatThrownBy(() -> run(Goal.bitsPerWeight(1.5), "m", levels))
        .hasMessageMatching(".* from 2\\.\\d+ bits per weight to 16 bits per weight");
    assertThat(folder).isEmptyDirectory();
  }

  @Test
  void aTargetOfFidelityIsMetByTheReopenedArtifactAndByNoneHardlySmaller() {
    var report = run(Goal.acceptance(0.9), "m", levels);

    assertThat(((Measurement.Language) report.quality()).ear()).isGreaterThanOrEqualTo(0.9);
    assertThat(report.allocation().probes())
        .filteredOn(probe -> probe.on().equals("held-out text") && !probe.met())
        .anySatisfy(
            probe ->
                assertThat(probe.artifactBytes())
                    .isGreaterThan((long) (0.97 * report.size().artifactBytes())));
    try (var written = Checkpoints.open(folder.resolve("m"))) {
      assertThat(written.bytes()).isEqualTo(report.size().artifactBytes());
    }
  }

  @Test
  void aRunThatWasCutOffGoesOnToTheSameBytes() throws IOException {
    var goal = Goal.divergence(0.05);
    run(goal, "whole", levels);
    for (int cut : new int[] {3, 30}) {
      var begun = request("cut", Target.HUGGING_FACE, Files.exists(journal()));
      assertThatThrownBy(() -> run(target(begun, goal), levels, new Cut(cut)))
          .isInstanceOf(Cut.Off.class);
      assertThat(journal()).exists();
    }
    assertThatThrownBy(() -> run(goal, "cut", levels)).hasMessageContaining("--resume goes on");
    var other = target(request("cut", Target.HUGGING_FACE, true), Goal.divergence(0.06));
    assertThatThrownBy(() -> run(other, levels, Progress.NONE))
        .hasMessageContaining("another target");
    run(target(request("cut", Target.HUGGING_FACE, true), goal), levels, Progress.NONE);

    assertThat(contents(folder.resolve("cut"))).isEqualTo(contents(folder.resolve("whole")));
    assertThat(journal()).doesNotExist();
  }

  private Path journal() {
    return folder.resolve("cut.target.journal");
  }

  @Test
  void aGgufOfSoManyBytesIsAMixtureOfItsTypes() {
    try (var types = levels("types", Target.GGUF, "rtn:Q2_K", "rtn:Q3_K", "rtn:Q4_K", "rtn:Q8_0")) {
      var goal = Goal.size("1.25MB");
      var request = request("m.gguf", Target.GGUF, false);
      var report = run(target(request, goal), types, Progress.NONE);

      assertThat(report.size().artifactBytes()).isBetween(1_243_750L, 1_250_000L);
      try (var written = Checkpoints.open(folder.resolve("m.gguf"))) {
        assertThat(written.bytes()).isEqualTo(report.size().artifactBytes());
        assertThat(types.table().units())
            .flatExtracting(unit -> unit.members())
            .extracting(member -> written.matrix(member).encoding().label())
            .contains("Q2_K", "Q3_K");
      }
      assertThat(report.layers().getFirst().encoding()).as("the tied head").isEqualTo("Q6_K");
    }
  }

  private Report run(Goal goal, String name, LevelStore store) {
    return run(target(request(name, Target.HUGGING_FACE, false), goal), store, Progress.NONE);
  }

  private static TargetRequest target(CompressionRequest request, Goal goal) {
    return new TargetRequest(
        request, goal, "levels", Allocators.named("knapsack", Map.of()), Measure.OUTPUT, false);
  }

  private static Report run(TargetRequest request, LevelStore store, Progress progress) {
    return TargetedCompression.run(request, source, store, Optional.empty(), progress, _ -> {});
  }

  private CompressionRequest request(String name, Target target, boolean resume) {
    return new CompressionRequest(
        model.directory().toString(),
        folder.resolve(name),
        new Recipe(List.of()),
        Optional.of(model.calibration()),
        Optional.of(models.resolve("short.txt")),
        "text",
        SAMPLES,
        Optional.of(LENGTH),
        0,
        Optional.empty(),
        resume,
        false,
        target);
  }

  /** Of the model's own files. */
  private static long bytes(Path directory) throws IOException {
    return contents(directory).values().stream().mapToLong(ByteBuffer::remaining).sum();
  }

  private static Map<String, ByteBuffer> contents(Path directory) throws IOException {
    var contents = new TreeMap<String, ByteBuffer>();
    try (var files = Files.list(directory)) {
      for (var file : files.toList()) {
        if (!file.getFileName().toString().startsWith("report.")) {
          contents.put(file.getFileName().toString(), ByteBuffer.wrap(Files.readAllBytes(file)));
        }
      }
    }
    return contents;
  }

  /** Kills a run after so many steps of progress. */
  private static final class Cut implements Progress {
    private int left;

    Cut(int steps) {
      left = steps;
    }

    static final class Off extends RuntimeException {
      private static final long serialVersionUID = 1L;
    }

    @Override
    public Task start(String what, long total) {
      return new Task() {
        @Override
        public void advance(long by) {
          if (left-- == 0) {
            throw new Off();
          }
        }

        @Override
        public void note(String message) {}

        @Override
        public void close() {}
      };
    }
  }
}

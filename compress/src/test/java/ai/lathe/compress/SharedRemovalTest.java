package ai.lathe.compress;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.compress.factorization.Parameters;
import ai.lathe.compress.factorization.Removal;
import ai.lathe.compress.factorization.RemovalKnapsack;
import ai.lathe.compress.factorization.RemovalKnapsack.Measure;
import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.recipe.RecipeReader;
import ai.lathe.compress.removal.SharedRemoval;
import ai.lathe.compress.report.Report;
import ai.lathe.model.Address;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A share that is removed of all layers together, from the profile to the artifact. */
class SharedRemovalTest {

  @TempDir static Path folder;
  private static Path model;
  private static final RemovalKnapsack KNAPSACK = new RemovalKnapsack(Measure.FISHER, true);
  private static final Recipe CODES = Recipe.preset("rtn", "W8A16", Optional.of(16));

  @BeforeAll
  static void extract() {
    model = EmbeddedModel.extract(folder.resolve("embedded")).directory();
  }

  private static Report run(String name, Recipe recipe, boolean resume, Progress progress) {
    var request =
        new CompressionRequest(
            model.toString(),
            folder.resolve(name),
            recipe,
            Optional.empty(),
            Optional.empty(),
            "text",
            16,
            Optional.of(64),
            0,
            resume,
            false);
    return Compression.run(request, progress, _ -> {});
  }

  /** At one ratio: a profile of all takes twenty times as long. */
  private static Recipe recipe(Optional<RemovalKnapsack> knapsack) {
    var ratio = Map.<String, Object>of("ratio", 2);
    return Recipe.factorization("rocket", new Removal(0.3), knapsack, ratio).then(CODES);
  }

  private static double kl(Report report) {
    return ((Measurement.Language) report.quality()).kl();
  }

  private static double removed(String name) {
    double now = 0;
    double before = 0;
    try (var written = Checkpoints.open(folder.resolve(name))) {
      for (var address : written.addresses()) {
        if (address.block() != Address.OUTSIDE && !address.isVector(written.architecture())) {
          var matrix = written.matrix(address);
          now += Parameters.of(matrix.encoding(), matrix.rows(), matrix.columns());
          before += (double) matrix.rows() * matrix.columns();
        }
      }
    }
    return 1 - now / before;
  }

  /** Stops a run at the beginning of a block. */
  private static Progress stoppingAt(String phase, String note) {
    return (what, total) ->
        new Progress.Task() {
          @Override
          public void advance(long by) {}

          @Override
          public void note(String message) {
            if (what.startsWith(phase) && message.equals(note)) {
              throw new IllegalStateException("stopped");
            }
          }

          @Override
          public void close() {}
        };
  }

  @Test
  void aDictionaryForEachLayerLosesLessThanTheSameShareOfEach() throws IOException {
    var uniform = run("uniform", recipe(Optional.empty()), false, Progress.NONE);
    var recipe = recipe(Optional.of(KNAPSACK));
    var whole = run("whole", recipe, false, Progress.NONE);
    assertThat(kl(whole)).isLessThan(kl(uniform));
    assertThat(removed("uniform")).isGreaterThanOrEqualTo(0.3);
    assertThat(removed("whole")).isBetween(0.3, 0.31);

    var chosen = whole.allocation();
    assertThat(chosen.allocator()).isEqualTo("knapsack");
    assertThat(chosen.measure()).isEqualTo("FISHER");
    assertThat(whole.settings()).containsEntry("allocator", "knapsack").containsKey("recipe");
    assertThat(chosen.target()).isEqualTo("0.3 of the parameters removed");
    assertThat(chosen.choices().stream().map(choice -> choice.level()).distinct())
        .hasSizeGreaterThan(2)
        .allMatch(level -> level.matches("rocket:0\\.[0-9]+:ratio=2|original"));
    for (var layer : whole.layers()) {
      assertThat(chosen.choices())
          .anySatisfy(
              choice -> {
                assertThat(choice.unit()).isEqualTo(layer.name());
                assertThat(choice.encoding()).isEqualTo(layer.encoding());
                assertThat(choice.bytes()).isEqualTo(layer.bytes());
                assertThat(choice.options().getFirst().losses().get("fisher")).isPositive();
              });
    }

    // Stopped in the profile: the same bytes in the end.
    assertThatThrownBy(() -> run("killed", recipe, false, stoppingAt("profiling", "block 2")))
        .hasMessage("stopped");
    var profile = SharedRemoval.fileFor(folder.resolve("killed"));
    assertThat(Files.readAllLines(profile)).hasSize(3);
    assertThatThrownBy(() -> run("killed", recipe, false, Progress.NONE))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("--resume goes on with it");
    run("killed", recipe, true, Progress.NONE);
    assertThat(profile).doesNotExist();
    assertThat(folder.resolve("killed.profile.fisher.safetensors")).doesNotExist();
    for (var file : List.of("model.safetensors", "config.json")) {
      assertThat(folder.resolve("killed").resolve(file))
          .hasSameBinaryContentAs(folder.resolve("whole").resolve(file));
    }
  }

  @Test
  void recipesNameTheAllocator() {
    var recipe =
        RecipeReader.parse(
            """
            FactorizationModifier:
              method: rocket
              remove: 0.3
              allocator: knapsack
              allocator_options: {measure: output}
            """);
    assertThat(recipe.toString())
        .isEqualTo(
            RecipeReader.parse(
                    """
            FactorizationModifier: {method: rocket, remove: 0.3, allocator: knapsack, allocator_options: {measure: output, cap: true}}
            """)
                .toString());
    assertThat(SharedRemoval.of(recipe)).isPresent();
    assertThat(SharedRemoval.of(Recipe.factorization("rocket", new Removal(0.3), Map.of())))
        .isEmpty();
  }
}

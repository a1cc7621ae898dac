package ai.lathe.compress;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.factorization.Removal;
import ai.lathe.compress.factorization.module.Narrowing;
import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.recipe.RecipeReader;
import ai.lathe.compress.report.Report;
import ai.lathe.compress.report.ReportFile;
import ai.lathe.compress.report.page.ReportPage;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.Torch;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Narrower blocks, from the recipe to the artifact that is opened again. */
class NarrowedModelTest {

  /** Their models and what they should compute are explained in tools/make_golden.py. */
  private static final Path GOLDEN = Path.of("../torch/src/test/resources/golden");

  @TempDir static Path folder;
  private static EmbeddedModel embedded;
  private static int threads;

  @BeforeAll
  static void extract() {
    threads = Torch.threads();
    Torch.threads(1);
    embedded = EmbeddedModel.extract(folder.resolve("embedded"));
  }

  @AfterAll
  static void asManyAsBefore() {
    Torch.threads(threads);
  }

  private static Recipe modegpt(double removed, Map<String, Object> settings) {
    return Recipe.factorization("modegpt", new Removal(removed), settings);
  }

  private static Report run(Path model, String name, Recipe recipe, boolean resume) {
    try {
      var request =
          new CompressionRequest(
              model.toString(),
              folder.resolve(name),
              recipe,
              Optional.of(slice(embedded.calibration(), 8_000)),
              Optional.of(slice(embedded.heldOut(), 2_000)),
              "text",
              40,
              Optional.of(48),
              0,
              resume,
              false);
      return Compression.run(request, Progress.NONE, _ -> {});
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  private static Path slice(Path text, int characters) throws IOException {
    return Files.writeString(
        folder.resolve(text.getFileName()), Files.readString(text).substring(0, characters));
  }

  private static Report run(String name, Recipe recipe) {
    return run(embedded.directory(), name, recipe, false);
  }

  private static double kl(Report report) {
    return ((Measurement.Language) report.quality()).kl();
  }

  @Test
  void aNarrowerModelIsWrittenReportedAndMeasured() throws IOException {
    var fifth = run("fifth", modegpt(0.2, Map.of()));
    var half = run("half", modegpt(0.5, Map.of()));
    assertThat(kl(fifth)).isPositive().isLessThan(kl(half));
    assertThat(fifth.size().artifactBytes()).isLessThan(fifth.size().originalBytes());
    var widths = fifth.widths();
    assertThat(widths.removed()).isBetween(0.2, 0.21);
    try (var artifact = Checkpoints.open(folder.resolve("fifth"))) {
      for (int b = 0; b < 4; b++) {
        assertThat(artifact.config().widths(b)).isEqualTo(widths.blocks().get(b).widths());
      }
    }
    var file = ReportFile.of(folder.resolve("fifth"));
    assertThat(ReportFile.read(file).widths()).isEqualTo(widths);
    assertThat(Files.readString(ReportPage.beside(file))).contains("Widths of blocks");
    assertThat(Narrowing.directoryFor(folder.resolve("fifth"))).doesNotExist();

    var codes =
        run("codes", modegpt(0.2, Map.of()).then(Recipe.preset("rtn", "W8A16", Optional.of(32))));
    assertThat(codes.widths()).isEqualTo(widths);
    assertThat(kl(codes)).isCloseTo(kl(fifth), within(0.1 * kl(fifth)));
    assertThat(codes.size().artifactBytes()).isLessThan(fifth.size().artifactBytes());
    assertThat(codes.layers()).isNotEmpty().allMatch(layer -> layer.encoding().contains("int8"));
  }

  @Test
  void feedForwardsAloneStandInGguf() {
    var mlp = Map.<String, Object>of("modules", "mlp");
    var directory = run("mlp", modegpt(0.2, mlp));
    var gguf = run("mlp.gguf", modegpt(0.2, mlp));
    assertThat(gguf.widths()).isEqualTo(directory.widths());
    assertThat(kl(gguf)).isCloseTo(kl(directory), within(0.01 * kl(directory)));
    assertThatThrownBy(() -> run("all.gguf", modegpt(0.2, Map.of())))
        .isInstanceOf(LatheException.class)
        .hasMessage(
            "a GGUF file has no place for heads that are smaller in one block than in another: name a directory, or narrow the feed-forward alone with --factor-option modules=mlp");
    assertThat(Narrowing.directoryFor(folder.resolve("all.gguf"))).doesNotExist();
  }

  @Test
  void aRunThatWasKilledGoesOn() throws IOException {
    var recipe = modegpt(0.2, Map.of());
    var whole = run("whole", recipe);
    // What is left when it is killed between blocks and plan: narrower blocks, and no journal.
    var artifact = folder.resolve("killed");
    var messages = new ArrayList<String>();
    assertThatThrownBy(
            () ->
                Compression.run(
                    request(artifact, recipe, false),
                    Progress.NONE,
                    message -> {
                      messages.add(message);
                      if (message.startsWith("estimate: ")) {
                        throw new IllegalStateException("killed");
                      }
                    }))
        .hasMessage("killed");
    assertThat(Narrowing.directoryFor(artifact)).isDirectory();
    assertThatThrownBy(
            () -> Compression.run(request(artifact, recipe, false), Progress.NONE, _ -> {}))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("--resume");
    messages.clear();
    var resumed = Compression.run(request(artifact, recipe, true), Progress.NONE, messages::add);
    assertThat(messages)
        .anyMatch(message -> message.startsWith("note: 4 of 4 blocks are used as an earlier run"));
    assertThat(resumed.widths()).isEqualTo(whole.widths());
    assertThat(artifact.resolve("model.safetensors"))
        .hasSameBinaryContentAs(folder.resolve("whole/model.safetensors"));
    assertThat(Narrowing.directoryFor(artifact)).doesNotExist();
  }

  private static CompressionRequest request(Path artifact, Recipe recipe, boolean resume)
      throws IOException {
    return new CompressionRequest(
        embedded.directory().toString(),
        artifact,
        recipe,
        Optional.of(slice(embedded.calibration(), 8_000)),
        Optional.of(slice(embedded.heldOut(), 2_000)),
        "text",
        40,
        Optional.of(48),
        0,
        resume,
        false);
  }

  private static Path golden(String name) throws IOException {
    var model = folder.resolve("models").resolve(name);
    Files.createDirectories(model);
    for (var file : List.of("config.json", "model.safetensors")) {
      Files.copy(
          GOLDEN.resolve(name).resolve(file),
          model.resolve(file),
          java.nio.file.StandardCopyOption.REPLACE_EXISTING);
    }
    Files.write(model.resolve("tokenizer.json"), LetterTokenizer.plain());
    return model;
  }

  @ParameterizedTest
  @ValueSource(strings = {"mistral", "gemma2", "opt", "opt-post", "qwen2"})
  void otherArchitecturesToo(String name) throws IOException {
    var report = run(golden(name), "narrow-" + name, modegpt(0.3, Map.of()), false);
    assertThat(report.widths().removed()).isGreaterThanOrEqualTo(0.3);
    assertThat(kl(report)).isPositive().isFinite();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "qwen3|modegpt cannot narrow block 0: a qwen3 has norms over whole query and key heads; --factor-option modules=mlp leaves that alone",
        "gptneox|modegpt cannot narrow block 0: a gptneox has one matrix for query, key and value; --factor-option modules=mlp leaves that alone",
        "phi3|modegpt cannot narrow block 0: a phi3 has one matrix for gate and up",
        "mixtral|modegpt cannot narrow block 0: it has experts in the place of a feed-forward; --factor-option modules=attention leaves that alone",
      })
  void whatCannotBeNarrowedIsRefusedByName(String name, String message) throws IOException {
    var model = golden(name);
    assertThatThrownBy(() -> run(model, "refused-" + name, modegpt(0.2, Map.of()), false))
        .isInstanceOf(LatheException.class)
        .hasMessage(message);
  }

  @Test
  void feedForwardsOfFusedAttentionToo() throws IOException {
    var mlp = modegpt(0.2, Map.of("modules", "mlp"));
    for (var name : List.of("gpt2", "gptneox", "qwen3")) {
      assertThat(kl(run(golden(name), "mlp-" + name, mlp, false))).isPositive().isFinite();
    }
  }

  @Test
  void recipesAndSettingsAreChecked() {
    var recipe =
        RecipeReader.parse(
            """
            FactorizationModifier:
              method: modegpt
              remove: 0.2
              modules: mlp
            """);
    assertThat(recipe.toString()).contains("modegpt").contains("mlp");
    refused(
        () ->
            RecipeReader.parse(
                "FactorizationModifier: {method: modegpt, remove: 0.2, targets: Linear}"),
        "FactorizationModifier of modegpt takes no targets");
    refused(() -> run("bad", modegpt(0.2, Map.of("module", "mlp"))), "unknown setting of MoDeGPT");
    refused(() -> run("bad", modegpt(0.2, Map.of("temperature", 0))), "modegpt's temperature is");
    refused(() -> run("bad", modegpt(0.9, Map.of())), "no block is narrowed by more than 80 %");
    refused(
        () -> Recipe.factorization("modgpt", new Removal(0.2), Map.of()),
        "unknown factorization 'modgpt'");
    refused(
        () -> run("bad", modegpt(0.2, Map.of()).then(modegpt(0.2, Map.of()))),
        "a recipe narrows blocks once");
  }

  private static void refused(
      org.assertj.core.api.ThrowableAssert.ThrowingCallable call, String message) {
    assertThatThrownBy(call).isInstanceOf(LatheException.class).hasMessageContaining(message);
  }
}

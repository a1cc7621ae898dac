package ai.lathe.compress;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.compress.journal.Journal;
import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.quantization.ScaleSearch;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.recipe.Scheme;
import ai.lathe.compress.recipe.Schemes;
import ai.lathe.compress.report.LayerReport;
import ai.lathe.compress.report.Report;
import ai.lathe.compress.report.ReportFile;
import ai.lathe.compress.report.SizePart;
import ai.lathe.compress.transform.Change;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import ai.lathe.tensor.block.BlockTypes;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The whole job on the model that comes with Lathe. */
class CompressionTest {

  private static final int SAMPLES = 64;
  private static final int LENGTH = 128;
  private static final Map<String, Object> NO_SETTINGS = Map.of();

  @TempDir static Path models;
  private static Path model;

  @TempDir Path folder;

  @BeforeAll
  static void extract() {
    model = EmbeddedModel.extract(models.resolve("embedded")).directory();
  }

  @ParameterizedTest
  @ValueSource(ints = {4, 3})
  void gptqBeatsSearchedScalesBeatPlainRounding(int bits) {
    double plain = kl(run(request("rtn", integers(bits, 32), ScaleSearch.MIN_MAX, "rtn" + bits)));
    double searched = kl(run(request("rtn", integers(bits, 32), ScaleSearch.MSE, "mse" + bits)));
    double gptq = kl(run(request("gptq", integers(bits, 32), ScaleSearch.MSE, "gptq" + bits)));

    assertThat(gptq).isLessThan(searched);
    assertThat(searched).isLessThan(plain);
  }

  @Test
  void theReportSaysWhatWasWritten() throws IOException {
    var report = run(request("gptq", integers(4, 128), ScaleSearch.MSE, "w4"));
    var artifact = folder.resolve("w4");

    assertThat(report.size().artifactBytes())
        .isEqualTo(
            bytes(artifact)
                - Files.size(artifact.resolve("report.json"))
                - Files.size(artifact.resolve("report.html")));
    assertThat(report.parts()).extracting(SizePart::part).contains("attention", "feed-forward");
    assertThat(report.parts()).allSatisfy(part -> assertThat(part.artifactBytes()).isPositive());
    assertThat(report.parts().stream().mapToLong(SizePart::artifactBytes).sum())
        .isEqualTo(report.size().artifactBytes());
    assertThat(report.parts().stream().mapToLong(SizePart::originalBytes).sum())
        .isEqualTo(report.size().originalBytes());
    var read = ReportFile.read(artifact.resolve("report.json"));
    assertThat(read.quality()).isEqualTo(report.quality());
    assertThat(read.layers()).isEqualTo(report.layers());
    assertThat(read.parts()).isEqualTo(report.parts());
    long bytes = report.layers().stream().mapToLong(LayerReport::bytes).sum();
    long weights =
        report.layers().stream().mapToLong(layer -> (long) layer.rows() * layer.columns()).sum();
    assertThat(report.size().quantizedBitsPerWeight()).isEqualTo(8.0 * bytes / weights);
    assertThat(report.layers())
        .isNotEmpty()
        .allSatisfy(
            layer -> {
              assertThat(layer.calibrated()).isTrue();
              // Codes, a scale of 16 bits for 128 of them, and the two numbers of the shape.
              assertThat(layer.bytes() - 16)
                  .isEqualTo((4L * 128 + 16) * layer.rows() * layer.columns() / 128 / 8);
              assertThat(layer.relativeError()).isBetween(0.0, 0.1);
            });
    assertThat(report.fallbacks()).isEmpty();
    assertThat(Files.readString(artifact.resolve("report.json")))
        .contains("\"kl\"", "\"bits_per_weight\"");
    assertThat(Journal.fileFor(artifact)).doesNotExist();
  }

  /** The range of inputs is calibrated although rounding to nearest needs nothing else. */
  @Test
  void fp8WithStaticInputsIsHardlyNoticed() {
    var fp8 = run(request("rtn", Schemes.named("FP8"), ScaleSearch.MSE, "fp8"));
    assertThat(fp8.fallbacks()).isEmpty();
    assertThat(kl(fp8)).isLessThan(0.002);
  }

  @Test
  void ggufFilesAreCalibratedThroughTheirOwnGrid() {
    var gptq = run(gguf("gptq", "Q4_K", "gptq.gguf"));
    var rtn = run(gguf("rtn", "Q4_K", "rtn.gguf"));

    assertThat(kl(gptq)).isLessThan(kl(rtn));
    assertThat(gptq.layers()).anySatisfy(layer -> assertThat(layer.encoding()).isEqualTo("Q4_K"));
    assertThat(gptq.layers().getFirst().encoding())
        .as("the tied embedding is the head")
        .isEqualTo("Q6_K");
    assertThat(folder.resolve("gptq.gguf.report.json")).exists();
  }

  @ParameterizedTest
  @ValueSource(strings = {"gptq", "gsq"})
  void aRunThatWasCutOffGoesOnToTheSameBytes(String method) throws IOException {
    var settings =
        method.equals("gsq") ? Map.<String, Object>of("steps", 4, "layer_steps", 4) : NO_SETTINGS;
    var recipe =
        Recipe.uniform(method, integers(3, 32), Optional.empty(), Optional.empty(), settings);
    run(request(recipe, "whole"));
    var interrupted = request(recipe, "interrupted");
    for (int cut : new int[] {12, 5, 14}) {
      var before = resumed(interrupted, Files.exists(Journal.fileFor(interrupted.artifact())));
      assertThatThrownBy(() -> Compression.run(before, new Cut(cut), _ -> {}))
          .isInstanceOf(Cut.Off.class);
      assertThat(interrupted.artifact()).doesNotExist();
    }
    run(resumed(interrupted, true));

    assertThat(contents(folder.resolve("interrupted")))
        .isEqualTo(contents(folder.resolve("whole")));
  }

  /** Transforms change vectors too; they are written with their block, and the report tells. */
  @Test
  void aTransformedRunGoesOnToTheSameBytes() throws IOException {
    var method = "smoothquant+awq+gptq";
    var whole = run(transformed(method, "whole"));
    var interrupted = transformed(method, "interrupted");
    assertThatThrownBy(() -> Compression.run(interrupted, new Cut(5), _ -> {}))
        .isInstanceOf(Cut.Off.class);
    var gone = run(resumed(interrupted, true));

    assertThat(contents(folder.resolve("interrupted")))
        .isEqualTo(contents(folder.resolve("whole")));
    assertThat(gone.transforms()).isEqualTo(whole.transforms());
    assertThat(whole.transforms())
        .extracting(Change::transform)
        .contains("SmoothQuant", "AWQ")
        .doesNotContain("AWQ clipping");
    assertThat(kl(whole)).isLessThan(0.1);
  }

  @Test
  void anotherTransformCannotResume() {
    var interrupted = transformed("awq+gptq", "model");
    assertThatThrownBy(() -> Compression.run(interrupted, new Cut(3), _ -> {}))
        .isInstanceOf(Cut.Off.class);
    var other = transformed("gptq", "model");
    assertThatThrownBy(() -> run(resumed(other, true)))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("another recipe");
  }

  @Test
  void anotherRecipeCannotResume() {
    var interrupted = request("gptq", integers(4, 32), ScaleSearch.MSE, "model");
    assertThatThrownBy(() -> Compression.run(interrupted, new Cut(20), _ -> {}))
        .isInstanceOf(Cut.Off.class);

    assertThatThrownBy(
            () -> run(resumed(request("gptq", integers(3, 32), ScaleSearch.MSE, "model"), true)))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("another recipe");
    assertThatThrownBy(() -> run(request("gptq", integers(4, 32), ScaleSearch.MSE, "model")))
        .hasMessageContaining("--resume goes on with it, --force starts over");
  }

  @Test
  void anExistingArtifactIsKeptUnlessForced() throws IOException {
    Files.createDirectories(folder.resolve("taken"));
    Files.writeString(folder.resolve("taken/precious.txt"), "mine");
    var request = request("rtn", integers(8, 32), ScaleSearch.MIN_MAX, "taken");

    assertThatThrownBy(() -> run(request))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("--force");
    assertThat(folder.resolve("taken/precious.txt")).exists();
  }

  @Test
  void groupsThatDoNotDivideARowAreANamedFallback() {
    var report = run(request("rtn", integers(4, 96), ScaleSearch.MIN_MAX, "odd"));

    assertThat(report.fallbacks())
        .isNotEmpty()
        .allSatisfy(line -> assertThat(line).contains("which does not divide rows of"));
  }

  @Test
  void whatCannotBeStoredIsRefusedBeforeAnythingIsWritten() {
    var toGguf = request("rtn", integers(4, 32), ScaleSearch.MIN_MAX, "model.gguf");
    assertThatThrownBy(() -> run(toGguf))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("--gguf");
    assertThatThrownBy(() -> run(gguf("rtn", "Q4_K", "model"))).hasMessageContaining(".gguf");
    assertThat(folder).isEmptyDirectory();
  }

  @Test
  void aTextShorterThanASequenceIsRefused() throws IOException {
    var text = Files.writeString(folder.resolve("short.txt"), "Too short.");
    var request =
        new CompressionRequest(
            model.toString(),
            folder.resolve("model"),
            Recipe.uniform("gptq", integers(4, 32), Optional.empty(), Optional.empty(), Map.of()),
            Optional.of(text),
            Optional.empty(),
            "text",
            SAMPLES,
            Optional.of(LENGTH),
            0,
            false,
            false);

    assertThatThrownBy(() -> run(request))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("short.txt");
    assertThat(folder.resolve("model")).doesNotExist();
  }

  private static Scheme integers(int bits, int group) {
    return new Scheme.Integers(new IntegerScheme(bits, group, true, Activations.NONE));
  }

  private CompressionRequest request(
      String method, Scheme scheme, ScaleSearch search, String name) {
    return request(
        Recipe.uniform(method, scheme, Optional.empty(), Optional.of(search), Map.of()), name);
  }

  private CompressionRequest gguf(String method, String type, String name) {
    return request(Recipe.gguf(method, BlockTypes.named(type), Map.of()), name);
  }

  /** Less to calibrate on. */
  private CompressionRequest transformed(String method, String name) {
    var request = request(method, integers(4, 32), ScaleSearch.MIN_MAX, name);
    return new CompressionRequest(
        request.model(),
        request.artifact(),
        request.recipe(),
        request.calibration(),
        request.evaluation(),
        request.field(),
        8,
        request.sequenceLength(),
        request.seed(),
        false,
        false);
  }

  private CompressionRequest request(Recipe recipe, String name) {
    return new CompressionRequest(
        model.toString(),
        folder.resolve(name),
        recipe,
        Optional.empty(),
        Optional.empty(),
        "text",
        SAMPLES,
        Optional.of(LENGTH),
        0,
        false,
        false);
  }

  private static CompressionRequest resumed(CompressionRequest request, boolean resume) {
    return new CompressionRequest(
        request.model(),
        request.artifact(),
        request.recipe(),
        request.calibration(),
        request.evaluation(),
        request.field(),
        request.samples(),
        request.sequenceLength(),
        request.seed(),
        resume,
        false);
  }

  private static Report run(CompressionRequest request) {
    return Compression.run(request, Progress.NONE, _ -> {});
  }

  private static double kl(Report report) {
    return ((Measurement.Language) report.quality()).kl();
  }

  private static long bytes(Path directory) throws IOException {
    long bytes = 0;
    for (var file : files(directory)) {
      bytes += Files.size(file);
    }
    return bytes;
  }

  /** Everything but the report, which holds times. */
  private static Map<String, List<Byte>> contents(Path directory) throws IOException {
    var contents = new TreeMap<String, List<Byte>>();
    for (var file : files(directory)) {
      if (!file.getFileName().toString().startsWith("report.")) {
        var bytes = new ArrayList<Byte>();
        for (byte b : Files.readAllBytes(file)) {
          bytes.add(b);
        }
        contents.put(directory.relativize(file).toString(), bytes);
      }
    }
    return contents;
  }

  private static List<Path> files(Path directory) throws IOException {
    try (var files = Files.walk(directory)) {
      return files.filter(Files::isRegularFile).toList();
    }
  }

  /** Ends a run after some steps of its longest loop, as a kill would. */
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

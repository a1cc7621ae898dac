package ai.lathe.compress;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.quantization.ScaleSearch;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.recipe.Scheme;
import ai.lathe.compress.report.LayerReport;
import ai.lathe.compress.report.Report;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.Torch;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The whole job on a tiny model of every architecture: calibrate, GPTQ, write, reopen, measure. */
class ArchitecturesTest {

  /** Their models and what they should compute are explained in tools/make_golden.py. */
  private static final Path GOLDEN = Path.of("../torch/src/test/resources/golden");

  private static int threads;

  @TempDir Path folder;

  /** Small products gain nothing from threads, and lose much where the machine is busy. */
  @BeforeAll
  static void oneThread() {
    threads = Torch.threads();
    Torch.threads(1);
  }

  @AfterAll
  static void asManyAsBefore() {
    Torch.threads(threads);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "gemma2",
        "gemma3",
        "phi3",
        "gpt2",
        "gptneox",
        "gptneox-sequential",
        "opt",
        "opt-post",
        "mistral"
      })
  void fourBitsOfEveryLayer(String name) throws IOException {
    var model = folder.resolve(name);
    Files.createDirectories(model);
    for (var file : new String[] {"config.json", "model.safetensors"}) {
      Files.copy(GOLDEN.resolve(name).resolve(file), model.resolve(file));
    }
    Files.write(model.resolve("tokenizer.json"), LetterTokenizer.plain());

    var nearest = run("rtn", model);
    var report = run("gptq", model);

    assertThat(report.fallbacks()).isEmpty();
    assertThat(report.layers()).isNotEmpty().allMatch(LayerReport::calibrated);
    assertThat(kl(report)).isPositive().isLessThan(kl(nearest));
  }

  private Report run(String method, Path model) throws IOException {
    var scheme = new Scheme.Integers(new IntegerScheme(4, 16, true, Activations.NONE));
    var recipe =
        Recipe.uniform(method, scheme, Optional.empty(), Optional.of(ScaleSearch.MSE), Map.of());
    var request =
        new CompressionRequest(
            model.toString(),
            folder.resolve(method),
            recipe,
            Optional.of(slice("calibration", 4_000)),
            Optional.of(slice("heldout", 1_200)),
            "text",
            60,
            Optional.of(40),
            0,
            false,
            false);
    return Compression.run(request, Progress.NONE, _ -> {});
  }

  /** The beginning of one of the embedded model's texts. */
  private Path slice(String name, int characters) throws IOException {
    var embedded = EmbeddedModel.extract(folder.resolve("embedded"));
    var whole = name.equals("calibration") ? embedded.calibration() : embedded.heldOut();
    return Files.writeString(
        folder.resolve(name + ".txt"), Files.readString(whole).substring(0, characters));
  }

  private static double kl(Report report) {
    return ((Measurement.Language) report.quality()).kl();
  }
}

package ai.lathe.compress;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.pruning.Sparsity;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.report.Report;
import ai.lathe.compress.transform.SharedData;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What the papers find, on models that were trained: measured on text that calibration did not see.
 */
class PruningOrderTest {

  @TempDir Path folder;

  @Test
  void ofTheEmbeddedModel() throws IOException {
    var embedded = EmbeddedModel.extract(folder.resolve("embedded"));
    var text = Files.readString(embedded.heldOut());
    order(embedded.directory(), embedded.calibration(), text.substring(0, 5_000));
  }

  @Test
  void ofStories() throws IOException {
    var stories = Files.readString(SharedData.file("text/tinystories_a.txt"));
    var calibration = folder.resolve("calibration.txt");
    Files.writeString(calibration, stories.substring(0, 120_000));
    var unseen = stories.substring(stories.length() - 5_000);
    order(SharedData.file("models/stories260K"), calibration, unseen);
  }

  private void order(Path model, Path calibration, String unseen) throws IOException {
    var evaluation = folder.resolve("unseen.txt");
    Files.writeString(evaluation, unseen);
    var half = new Sparsity(0.5, Pattern.UNSTRUCTURED);
    double magnitude = kl(model, calibration, evaluation, "magnitude", half);
    double wanda = kl(model, calibration, evaluation, "wanda", half);
    double sparseGpt = kl(model, calibration, evaluation, "sparsegpt", half);
    assertThat(wanda).isLessThan(magnitude);
    assertThat(sparseGpt).isLessThan(wanda);
    double two = kl(model, calibration, evaluation, "sparsegpt", fixed("2:4"));
    double four = kl(model, calibration, evaluation, "sparsegpt", fixed("4:8"));
    assertThat(four).isLessThan(two);
  }

  private static Sparsity fixed(String pattern) {
    return Sparsity.of(Optional.empty(), Pattern.parse(pattern));
  }

  private double kl(
      Path model, Path calibration, Path evaluation, String method, Sparsity sparsity) {
    var artifact = folder.resolve(method + sparsity.label().replace(':', '-'));
    var report =
        run(model, artifact, Recipe.pruning(method, sparsity, Map.of()), calibration, evaluation);
    assertThat(report.fallbacks()).isEmpty();
    return ((Measurement.Language) report.quality()).kl();
  }

  private static Report run(
      Path model, Path artifact, Recipe recipe, Path calibration, Path evaluation) {
    var request =
        new CompressionRequest(
            model.toString(),
            artifact,
            recipe,
            Optional.of(calibration),
            Optional.of(evaluation),
            "text",
            32,
            Optional.of(128),
            0,
            false,
            false);
    return Compression.run(request, Progress.NONE, _ -> {});
  }
}

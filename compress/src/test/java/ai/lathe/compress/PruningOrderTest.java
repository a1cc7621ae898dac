package ai.lathe.compress;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.pruning.Sparsity;
import ai.lathe.compress.recipe.Recipe;
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

  private record Subject(Path model, Path calibration, Path unseen) {}

  private Subject embedded() throws IOException {
    var embedded = EmbeddedModel.extract(folder.resolve("embedded"));
    var text = Files.readString(embedded.heldOut()).substring(0, 5_000);
    var unseen = Files.writeString(folder.resolve("unseen.txt"), text);
    return new Subject(embedded.directory(), embedded.calibration(), unseen);
  }

  private Subject stories() throws IOException {
    var text = Files.readString(SharedData.file("text/tinystories_a.txt"));
    return new Subject(
        SharedData.file("models/stories260K"),
        Files.writeString(folder.resolve("calibration.txt"), text.substring(0, 120_000)),
        Files.writeString(folder.resolve("unseen.txt"), text.substring(text.length() - 5_000)));
  }

  @Test
  void methodsOnTheEmbeddedModel() throws IOException {
    methodsAreInOrder(embedded());
  }

  @Test
  void methodsOnStories() throws IOException {
    methodsAreInOrder(stories());
  }

  private void methodsAreInOrder(Subject subject) {
    var half = new Sparsity(0.5, Pattern.UNSTRUCTURED);
    double wanda = kl(subject, "wanda", half);
    assertThat(wanda).isLessThan(kl(subject, "magnitude", half));
    assertThat(kl(subject, "sparsegpt", half)).isLessThan(wanda);
  }

  @Test
  void fourOfEightLosesLessThanTwoOfFour() throws IOException {
    var subject = stories();
    assertThat(kl(subject, "sparsegpt", fixed("4:8")))
        .isLessThan(kl(subject, "sparsegpt", fixed("2:4")));
  }

  private static Sparsity fixed(String pattern) {
    return Sparsity.of(Optional.empty(), Pattern.parse(pattern));
  }

  private double kl(Subject subject, String method, Sparsity sparsity) {
    var artifact = folder.resolve(method + sparsity.label().replace(':', '-'));
    var request =
        new CompressionRequest(
            subject.model().toString(),
            artifact,
            Recipe.pruning(method, sparsity, Map.of()),
            Optional.of(subject.calibration()),
            Optional.of(subject.unseen()),
            "text",
            32,
            Optional.of(128),
            0,
            false,
            false);
    var report = Compression.run(request, Progress.NONE, _ -> {});
    assertThat(report.fallbacks()).isEmpty();
    return ((Measurement.Language) report.quality()).kl();
  }
}

package ai.lathe.compress;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.compress.measure.Executor;
import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.recipe.Scheme;
import ai.lathe.eval.data.TextData;
import ai.lathe.eval.data.Windows;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.model.checkpoint.SizedCheckpoint;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** One BitStack artifact, opened at several sizes. */
class BitStackSizeTest {

  @TempDir Path folder;

  @Test
  void aLargerSizeIsCloserToTheOriginal() {
    var embedded = EmbeddedModel.extract(folder.resolve("embedded"));
    var scheme = new Scheme.Integers(new IntegerScheme(4, 128, true, Activations.NONE));
    var recipe =
        Recipe.uniform(
            "bitstack",
            scheme,
            Optional.empty(),
            Optional.empty(),
            Map.of("iterations", "6", "k", "4"));
    var artifact = folder.resolve("stack");
    var request =
        new CompressionRequest(
            embedded.directory().toString(),
            artifact,
            recipe,
            Optional.empty(),
            Optional.empty(),
            "text",
            8,
            Optional.of(128),
            0,
            false,
            false);
    var report = Compression.run(request, Progress.NONE, _ -> {});
    long full = report.size().artifactBytes();
    try (var original = Checkpoints.open(embedded.directory())) {
      var text = TextData.open(embedded.heldOut(), TextData.DEFAULT_FIELD);
      var windows =
          Windows.evaluation(text, original.tokenizer().orElseThrow(), 128).tokens().subList(0, 8);
      double last = Double.POSITIVE_INFINITY;
      long least = full;
      for (double share : new double[] {0.7, 0.85, 1}) {
        long size = (long) (share * full);
        try (var sized = new SizedCheckpoint(Checkpoints.open(artifact), size)) {
          assertThat(sized.bytes()).isLessThanOrEqualTo(size);
          assertThat(size - sized.bytes()).isLessThan(full / 20);
          var measured = Measurement.of(Executor.TORCH, sized, original, windows, Progress.NONE);
          double kl = ((Measurement.Language) measured).kl();
          assertThat(kl).as("at %s of the size", share).isLessThan(last);
          last = kl;
          least = Math.min(least, sized.bytes());
        }
      }
      assertThat(least).isLessThan(full);
      try (var whole = new SizedCheckpoint(Checkpoints.open(artifact), full)) {
        assertThat(whole.bytes()).isEqualTo(full);
        assertThat(whole.blocks().values()).containsOnly(6);
      }
    }
    try (var stack = Checkpoints.open(artifact)) {
      assertThatThrownBy(() -> new SizedCheckpoint(stack, 1000))
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("with one block a weight");
    }
    try (var plain = Checkpoints.open(embedded.directory())) {
      assertThatThrownBy(() -> new SizedCheckpoint(plain, 1 << 20))
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("--method bitstack");
    }
  }
}

package ai.lathe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.compress.Compression;
import ai.lathe.compress.CompressionRequest;
import ai.lathe.compress.factorization.Removal;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointView;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.runtime.execution.Batch;
import ai.lathe.runtime.execution.Batch.Wanted;
import ai.lathe.runtime.execution.Decoder;
import ai.lathe.runtime.execution.KvCache;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.provider.Providers;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.Progress;
import ai.lathe.tensor.Tensor;
import ai.lathe.torch.TorchModel;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** LoRD's factors with their biases, as both executors read them from the artifact. */
class BiasedFactorsTest {

  /** Read together, then one by one: kernels of many tokens and of few. */
  private static final int[] TOKENS = {0, 300, 17, 512, 80, 5, 900, 44, 301, 18, 7, 66};

  private static final int TOGETHER = 9;

  @TempDir Path folder;

  private Path compressed() throws IOException {
    var embedded = EmbeddedModel.extract(folder.resolve("embedded"));
    // Little to calibrate on, and less to measure on.
    var text = Files.readString(embedded.calibration()).substring(0, 3000);
    var request =
        new CompressionRequest(
            embedded.directory().toString(),
            folder.resolve("lord"),
            Recipe.factorization("lord", new Removal(0.3), Map.of()),
            Optional.of(Files.writeString(folder.resolve("text.txt"), text)),
            Optional.empty(),
            "text",
            8,
            Optional.of(64),
            0,
            false,
            false);
    Compression.run(request, Progress.NONE, _ -> {});
    return request.artifact();
  }

  private static float[] expected(Checkpoint model) {
    try (var torch = TorchModel.of(model);
        var logits = torch.forward(TOKENS)) {
      var all = new float[TOKENS.length * torch.vocabularySize()];
      logits.rows(0, TOKENS.length, all);
      return all;
    }
  }

  private static float[] executed(Checkpoint model, String kernels, Workers workers) {
    int vocabulary = model.config().vocabulary();
    var all = new float[TOKENS.length * vocabulary];
    var settings = KvCache.Settings.DEFAULT.of(DType.F32);
    try (var decoder =
            Decoder.load(model, Providers.choose(kernels), workers, 16, settings, Progress.NONE);
        var sequence = decoder.newSequence(TOKENS.length)) {
      var batch = new Batch();
      for (int from = 0, to; from < TOKENS.length; from = to) {
        to = Math.max(TOGETHER, from + 1);
        decoder.forward(batch.clear().add(sequence, TOKENS, from, to, Wanted.ALL));
        var logits = decoder.logits(0, to - from);
        for (int i = 0; i < (to - from) * vocabulary; i++) {
          all[from * vocabulary + i] = logits.getAtIndex(ValueLayout.JAVA_FLOAT, i);
        }
      }
    }
    return all;
  }

  private static double distance(float[] found, float[] expected) {
    double most = 0;
    for (int i = 0; i < expected.length; i++) {
      most = Math.max(most, Math.abs(found[i] - expected[i]));
    }
    return most;
  }

  @Test
  void theRuntimeAddsTheBiasesOfFactorsAsTheReferenceDoes() throws IOException {
    try (var model = Checkpoints.open(compressed());
        var workers = new Workers(2)) {
      for (var role : List.of(Role.KEY, Role.ATTENTION_OUTPUT, Role.UP, Role.DOWN)) {
        assertThat(model.matrix(1, role)).isInstanceOf(Product.class);
        assertThat(model.vector(Address.weight(1, role).bias())).isPresent();
      }
      var expected = expected(model);
      for (var offer : Providers.offers()) {
        if (offer.refusal().isEmpty()) {
          assertThat(distance(executed(model, offer.name(), workers), expected))
              .as(offer.name())
              .isLessThan(1e-4);
        }
      }
      // That much would be missed without them.
      assertThat(distance(expected(new Unbiased(model)), expected)).isGreaterThan(0.1);
    }
  }

  private static final class Unbiased extends CheckpointView {

    Unbiased(Checkpoint source) {
      super(source);
    }

    @Override
    public Optional<Tensor> vector(Address address) {
      return address.part() == Address.Part.BIAS ? Optional.empty() : source.vector(address);
    }
  }
}

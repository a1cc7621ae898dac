package ai.lathe.runtime.execution;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.runtime.execution.Batch.Wanted;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.vector.VectorProvider;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.Torch;
import ai.lathe.torch.TorchModel;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A trained model over a cache of each type, on real text: what rounding keys and values costs. */
class CacheTypesTest {

  private static final int TOKENS = 110;

  @TempDir static Path directory;

  private static int[] text(EmbeddedModel model) throws Exception {
    try (var checkpoint = Checkpoints.open(model.directory())) {
      var tokenizer = checkpoint.tokenizer().orElseThrow();
      return Arrays.copyOf(tokenizer.encode(Files.readString(model.heldOut())), TOKENS);
    }
  }

  @Test
  void agreesWithTorchAsFarAsItsTypeGoes() throws Exception {
    Torch.threads(1);
    var embedded = EmbeddedModel.extract(directory);
    var tokens = text(embedded);
    try (var checkpoint = Checkpoints.open(embedded.directory());
        var workers = new Workers(2);
        var torch = TorchModel.of(checkpoint)) {
      var expected = new float[TOKENS * torch.vocabularySize()];
      try (var logits = torch.forward(tokens)) {
        logits.rows(0, TOKENS, expected);
      }
      var errors = new ArrayList<Double>();
      for (var type : List.of(DType.F32, DType.F16, DType.BF16)) {
        var settings = KvCache.Settings.DEFAULT.of(type);
        // The first tokens in two passes, the last ones one by one.
        try (var decoder =
                Decoder.load(
                    checkpoint, new VectorProvider(), workers, 128, settings, Progress.NONE);
            var sequence = decoder.newSequence(TOKENS)) {
          var batch = new Batch();
          double error = 0;
          for (int from = 0; from < TOKENS; ) {
            int to = from < 100 ? from + 50 : from + 1;
            decoder.forward(batch.clear().add(sequence, tokens, from, to, Wanted.ALL));
            var logits = decoder.logits(0, to - from).toArray(ValueLayout.JAVA_FLOAT);
            for (int i = 0; i < (to - from) * torch.vocabularySize(); i++) {
              double difference = logits[i] - expected[from * torch.vocabularySize() + i];
              error = Math.max(error, Math.abs(difference));
            }
            from = to;
          }
          errors.add(error / largest(expected));
        }
      }
      assertThat(errors.get(0)).isLessThan(1e-5);
      // Eleven bits and eight bits, through all blocks.
      assertThat(errors.get(1)).isBetween(1e-6, 1e-3);
      assertThat(errors.get(2)).isBetween(errors.get(1), 1e-2);
    }
  }

  private static double largest(float[] values) {
    double largest = 0;
    for (float value : values) {
      largest = Math.max(largest, Math.abs(value));
    }
    return largest;
  }
}

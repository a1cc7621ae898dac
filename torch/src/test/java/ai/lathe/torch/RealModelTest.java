package ai.lathe.torch;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.checkpoint.Checkpoints;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Trained models on the kind of text they were trained for. */
class RealModelTest {

  /** Small products gain nothing from threads, and lose much where the machine is busy. */
  @BeforeAll
  static void oneThread() {
    Torch.threads(1);
  }

  @TempDir Path directory;

  /** Each paragraph with BOS in front, as the model was trained. */
  @Test
  void stories260kPredictsTinyStories() throws IOException {
    var model = SharedData.find("models/stories260K");
    var text = Files.readString(SharedData.find("text/tinystories_a.txt"));
    try (var checkpoint = Checkpoints.open(model);
        var tokenizer = checkpoint.tokenizer().orElseThrow();
        var torch = TorchModel.of(checkpoint)) {
      double sum = 0;
      long count = 0;
      for (var paragraph : text.split("\n\n")) {
        var tokens = tokenizer.encode(paragraph.strip());
        if (tokens.length < 2 || tokens.length > torch.contextLength()) {
          continue;
        }
        sum += loss(torch, tokens);
        count += tokens.length - 1;
        if (count > 20_000) {
          break;
        }
      }
      assertThat(count).isGreaterThan(20_000);
      assertThat(Math.exp(sum / count)).isBetween(3.3, 4.6);
    }
  }

  @Test
  void theEmbeddedModelPredictsTextItNeverSaw() throws IOException {
    var embedded = EmbeddedModel.extract(directory);
    try (var checkpoint = Checkpoints.open(embedded.directory());
        var tokenizer = checkpoint.tokenizer().orElseThrow();
        var torch = TorchModel.of(checkpoint)) {
      var tokens = tokenizer.encode(Files.readString(embedded.heldOut()));
      int length = torch.contextLength();
      double sum = 0;
      int windows = 24;
      for (int i = 0; i < windows; i++) {
        int at = i * (tokens.length / length / windows) * length;
        sum += loss(torch, Arrays.copyOfRange(tokens, at, at + length));
      }
      double perplexity = Math.exp(sum / (windows * (length - 1)));
      assertThat(perplexity).isBetween(10.0, 30.0);
    }
  }

  /** Sum of the negative log-likelihoods, in nats, of all tokens after the first. */
  private static double loss(TorchModel model, int[] tokens) {
    int vocabulary = model.vocabularySize();
    var rows = new float[(tokens.length - 1) * vocabulary];
    try (var logits = model.forward(tokens)) {
      logits.rows(0, tokens.length - 1, rows);
    }
    double sum = 0;
    for (int t = 0; t + 1 < tokens.length; t++) {
      double total = 0;
      for (int v = 0; v < vocabulary; v++) {
        total += Math.exp(rows[t * vocabulary + v]);
      }
      sum += Math.log(total) - rows[t * vocabulary + tokens[t + 1]];
    }
    return sum;
  }
}

package ai.lathe.torch.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.model.ModelConfig;
import ai.lathe.model.ModelConfig.Rope;
import ai.lathe.model.architecture.Architecture.Activation;
import ai.lathe.model.architecture.Architectures;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.DType;
import ai.lathe.torch.Torch;
import ai.lathe.torch.TorchModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TrainingTest {

  private static final int VOCABULARY = 300;

  @TempDir Path directory;

  /** Adam's first step moves every weight by the rate against its gradient's sign. */
  @Test
  void firstStepsFollowTheFormula() {
    try (var _ = new PointerScope()) {
      var matrix = Torch.ofFloats(new float[] {1, -2}, 1, 2).set_requires_grad(true);
      var vector = Torch.ofFloats(new float[] {3}, 1).set_requires_grad(true);
      try (var optimizer = new AdamW(List.of(matrix, vector), 0.1, 1e9)) {
        matrix.square().sum().backward();
        vector.square().sum().backward();
        double norm = optimizer.step(0.01);
        assertThat(norm).isCloseTo(Math.sqrt(4 + 16 + 36), within(1e-5));
      }
      // Matrices decay by rate * 0.1 first.
      assertThat(Torch.floats(matrix)[0]).isCloseTo(1 - 0.001f - 0.01f, within(1e-6f));
      assertThat(Torch.floats(matrix)[1]).isCloseTo(-2 + 0.002f + 0.01f, within(1e-6f));
      assertThat(Torch.floats(vector)[0]).isCloseTo(3 - 0.01f, within(1e-6f));
      assertThat(Torch.floats(matrix.grad())).containsOnly(0);
    }
  }

  @Test
  void aTinyModelLearnsARuleAndReopensAsTrained() throws IOException {
    var config = config();
    var random = new SplittableRandom(1);
    var llama = Architectures.forModelType("llama");
    Files.writeString(
        directory.resolve("tokenizer.json"),
        BytePairTrainer.train(List.of("some text to learn from, some text to learn"), VOCABULARY)
            .toString());
    Files.writeString(directory.resolve("text"), "line\n".repeat(1000));
    var corpus = Corpus.read(List.of(directory.resolve("text")));
    double first = 0;
    double last = 0;
    var window = new int[][] {{5, 6, 7, 5, 6, 7, 5, 6, 7}, {6, 7, 5, 6, 7, 5, 6, 7, 5}};
    try (var model = new Decoder(llama, config, random);
        var optimizer = new AdamW(model.parameters().values(), 0.1, 1)) {
      for (int step = 0; step < 200; step++) {
        try (var _ = new PointerScope()) {
          var loss = model.loss(window);
          loss.backward();
          last = loss.item_double();
        }
        first = step == 0 ? last : first;
        optimizer.step(1e-2);
      }
      assertThat(first).isCloseTo(Math.log(VOCABULARY), within(0.2));
      assertThat(last).isLessThan(0.1);
      new TrainedModel(directory, llama, config, corpus).write(model.parameters());
    }
    try (var checkpoint = Checkpoints.open(directory);
        var reopened = TorchModel.of(checkpoint);
        var logits = reopened.forward(new int[] {5, 6, 7, 5})) {
      var row = new float[VOCABULARY];
      logits.rows(3, 4, row);
      int best = 0;
      for (int i = 0; i < row.length; i++) {
        best = row[i] > row[best] ? i : best;
      }
      assertThat(best).isEqualTo(6);
      assertThat(checkpoint.config().dtype()).isEqualTo(DType.BF16);
    }
  }

  @Test
  void heldOutTextIsTheTailAndInNoExcerptOfTraining() throws IOException {
    var text = new StringBuilder();
    for (int i = 0; i < 2000; i++) {
      text.append("line ").append(i).append('\n');
    }
    var file = Files.writeString(directory.resolve("lines"), text);
    var corpus = Corpus.read(List.of(file, file));
    var heldOut = corpus.heldOut().getFirst();
    assertThat(corpus.training().getFirst() + heldOut).isEqualTo(text.toString());
    assertThat((double) heldOut.length()).isBetween(0.04 * text.length(), 0.05 * text.length());
    assertThat(corpus.calibrationExcerpt(600)).doesNotContain(heldOut.lines().findFirst().get());
    assertThat(corpus.heldOutExcerpt(600).lines()).allMatch(line -> heldOut.contains(line));
    assertThat(corpus.calibrationExcerpt(600).length()).isBetween(560, 620);
  }

  private static ModelConfig config() {
    var json = new com.fasterxml.jackson.databind.ObjectMapper().createObjectNode();
    json.putArray("architectures").add("LlamaForCausalLM");
    json.put("model_type", "llama")
        .put("hidden_size", 16)
        .put("intermediate_size", 32)
        .put("num_hidden_layers", 1)
        .put("num_attention_heads", 2)
        .put("num_key_value_heads", 1)
        .put("vocab_size", VOCABULARY)
        .put("max_position_embeddings", 8)
        .put("rms_norm_eps", 1e-5)
        .put("rope_theta", 100.0)
        .put("tie_word_embeddings", true);
    return new ModelConfig(
        16,
        1,
        2,
        1,
        8,
        32,
        Optional.empty(),
        VOCABULARY,
        8,
        1e-5,
        new Rope(100, 8, new Rope.Scaling.None()),
        true,
        0,
        Optional.empty(),
        ModelConfig.Arithmetic.plain(Activation.SILU, 8),
        DType.BF16,
        OptionalInt.empty(),
        OptionalInt.empty(),
        json,
        List.of());
  }
}

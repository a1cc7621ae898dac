package ai.lathe.torch;

import static org.assertj.core.api.Assertions.as;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.InstanceOfAssertFactories.STRING;

import ai.lathe.format.safetensors.Safetensors;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.Headless;
import ai.lathe.model.LanguageModel.Logits;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.checkpoint.CheckpointPlan;
import ai.lathe.model.checkpoint.CheckpointWriters;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Every architecture against Hugging Face transformers; see tools/make_golden.py. */
class GoldenTest {

  /** Small products gain nothing from threads, and lose much where the machine is busy. */
  @BeforeAll
  static void oneThread() {
    Torch.threads(1);
  }

  private static final float TOLERANCE = 1e-4f;

  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "llama",
        "mistral",
        "mixtral",
        "qwen2",
        "qwen3",
        "qwen3moe",
        "qwen3moe-stacked",
        "gemma2",
        "gemma3",
        "phi3",
        "phi3-short",
        "gpt2",
        "gptneox",
        "gptneox-sequential",
        "opt",
        "opt-post",
        "bert",
        "bert-masked"
      })
  void agreesWithTransformers(String name) throws URISyntaxException {
    try (var checkpoint = Checkpoints.open(directory(name))) {
      assertAgrees(checkpoint, name);
    }
  }

  /** GGUF keeps everything that the computation needs, and a config.json can be made of it. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "mistral",
        "qwen2",
        "qwen3",
        "gemma2",
        "gemma3",
        "phi3",
        "phi3-short",
        "gpt2",
        "gptneox",
        "gptneox-sequential",
        "bert"
      })
  void survivesGguf(String name) throws URISyntaxException {
    var gguf = folder.resolve("model.gguf");
    var back = folder.resolve("back");
    try (var source = Checkpoints.open(directory(name))) {
      copy(source, CheckpointWriters.gguf(gguf, source, asStored(source)));
    }
    try (var converted = Checkpoints.open(gguf)) {
      assertAgrees(converted, name);
      copy(converted, CheckpointWriters.huggingFace(back, converted, asStored(converted)));
    }
    try (var again = Checkpoints.open(back)) {
      assertAgrees(again, name);
    }
  }

  @Test
  void whatLlamaCppComputesOtherwiseIsSaid() throws URISyntaxException {
    assertThat(notes("mistral"))
        .singleElement(as(STRING))
        .isEqualTo(
            "llama.cpp ignores the sliding window of a llama, so beyond 9 tokens it computes"
                + " something else");
    assertThat(notes("gptneox")).singleElement(as(STRING)).contains("gelu_pytorch_tanh");
    assertThat(notes("gpt2")).isEmpty();
    assertThatThrownBy(() -> notes("opt"))
        .isInstanceOf(LatheException.class)
        .hasMessage("GGUF has no architecture 'opt'; write safetensors");
  }

  private List<String> notes(String name) throws URISyntaxException {
    try (var source = Checkpoints.open(directory(name))) {
      return CheckpointWriters.gguf(folder.resolve("x.gguf"), source, asStored(source)).notes();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"opt", "gpt2", "gemma3", "gptneox", "bert-masked"})
  void survivesACopy(String name) throws URISyntaxException {
    var copy = folder.resolve("copy");
    try (var source = Checkpoints.open(directory(name))) {
      copy(source, CheckpointWriters.huggingFace(copy, source, asStored(source)));
    }
    try (var again = Checkpoints.open(copy)) {
      assertAgrees(again, name);
    }
  }

  /** A head that no GGUF holds; what is before it is the same. */
  @Test
  void anEncoderCanDoWithoutItsHead() throws URISyntaxException {
    var gguf = folder.resolve("model.gguf");
    var tokens = new int[] {3, 1, 4, 1, 5};
    try (var source = Checkpoints.open(directory("bert-masked"));
        var encoder = TorchEncoder.of(source)) {
      assertThatThrownBy(() -> CheckpointWriters.gguf(gguf, source, asStored(source)))
          .hasMessageContaining("write safetensors");
      var headless = Headless.of(source);
      copy(headless, CheckpointWriters.gguf(gguf, headless, asStored(headless)));
      try (var converted = Checkpoints.open(gguf);
          var other = TorchEncoder.of(converted)) {
        assertThat(other.encode(List.of(tokens)).getFirst().values())
            .isEqualTo(encoder.encode(List.of(tokens)).getFirst().values());
        assertThatThrownBy(() -> other.logits(tokens))
            .isInstanceOf(LatheException.class)
            .hasMessage("this encoder has no head that predicts masked tokens");
      }
    }
  }

  private static Map<Address, Encoding> asStored(Checkpoint source) {
    var encodings = new HashMap<Address, Encoding>();
    for (var address : source.addresses()) {
      if (!address.isVector(source.architecture())) {
        encodings.put(address, source.matrix(address).encoding());
      }
    }
    return encodings;
  }

  private static void copy(Checkpoint source, CheckpointPlan plan) {
    try (var writer = plan.create()) {
      for (var address : source.addresses()) {
        if (address.isVector(source.architecture())) {
          writer.write(address, source.vector(address).orElseThrow());
        } else {
          writer.write(address, source.matrix(address));
        }
      }
      writer.finish();
    }
  }

  private Path directory(String name) throws URISyntaxException {
    return Path.of(getClass().getResource("/golden/" + name).toURI());
  }

  private void assertAgrees(Checkpoint checkpoint, String name) throws URISyntaxException {
    try (var expected = Safetensors.open(directory(name).resolve("expected.safetensors"))) {
      var tokens = expected.tensor("tokens");
      var mask = expected.tensor("mask");
      int count = (int) tokens.shape()[0];
      int length = (int) tokens.shape()[1];
      var sequences = new int[count][];
      for (int i = 0; i < count; i++) {
        int real = 0;
        var sequence = new int[length];
        for (int t = 0; t < length; t++) {
          sequence[t] = (int) tokens.getLong((long) i * length + t);
          real += (int) mask.getLong((long) i * length + t);
        }
        sequences[i] = Arrays.copyOf(sequence, real);
      }
      var output = expected.tensor("output");
      int width = (int) output.shape()[2];
      var actual = output(checkpoint, sequences);
      for (int i = 0; i < count; i++) {
        var wanted = new float[sequences[i].length * width];
        output.copyFloats((long) i * length * width, wanted, 0, wanted.length);
        assertThat(largestDifference(actual[i], wanted)).isLessThan(TOLERANCE);
      }
    }
  }

  private static float[][] output(Checkpoint checkpoint, int[][] sequences) {
    if (checkpoint.architecture().kind() == ModelKind.DECODER) {
      try (var model = TorchModel.of(checkpoint)) {
        return logits(model::forward, checkpoint, sequences);
      }
    }
    try (var encoder = TorchEncoder.of(checkpoint)) {
      return checkpoint.architecture().has(Role.OUTPUT)
          ? logits(encoder::logits, checkpoint, sequences)
          : states(encoder, sequences);
    }
  }

  private static float[][] logits(
      Function<int[], Logits> model, Checkpoint checkpoint, int[][] sequences) {
    var results = new float[sequences.length][];
    for (int i = 0; i < sequences.length; i++) {
      results[i] = new float[sequences[i].length * checkpoint.config().vocabulary()];
      try (var logits = model.apply(sequences[i])) {
        logits.rows(0, sequences[i].length, results[i]);
      }
    }
    return results;
  }

  private static float[][] states(TorchEncoder encoder, int[][] sequences) {
    return encoder.encode(List.of(sequences)).stream()
        .map(matrix -> matrix.values())
        .toArray(float[][]::new);
  }

  private static float largestDifference(float[] actual, float[] wanted) {
    assertThat(actual).hasSameSizeAs(wanted);
    float largest = 0;
    for (int i = 0; i < wanted.length; i++) {
      float difference = Math.abs(actual[i] - wanted[i]);
      largest = Float.isNaN(difference) ? Float.MAX_VALUE : Math.max(largest, difference);
    }
    return largest;
  }
}

package ai.lathe.runtime.execution;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.model.Address;
import ai.lathe.model.BlockWidths;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointView;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.LanguageModel;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.runtime.execution.Batch.Wanted;
import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.scalar.ScalarProvider;
import ai.lathe.runtime.kernel.vector.VectorProvider;
import ai.lathe.runtime.provider.Providers;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.Torch;
import ai.lathe.torch.TorchEncoder;
import ai.lathe.torch.TorchModel;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Models whose blocks have inner widths of their own. */
class NarrowedModelTest {

  private static final Path MODELS = Path.of("../torch/src/test/resources/golden");
  private static final double TOLERANCE = 1e-4;
  private static final KvCache.Settings EXACT = KvCache.Settings.DEFAULT.of(DType.F32);
  private static final Workers WORKERS = new Workers(2);

  @TempDir static Path folder;

  @BeforeAll
  static void oneThread() {
    Torch.threads(1);
  }

  @AfterAll
  static void close() {
    WORKERS.close();
  }

  /**
   * @param model a directory
   * @param widths of its blocks
   */
  record Narrow(String model, BlockWidths... widths) {
    @Override
    public String toString() {
      return model + " " + Arrays.toString(widths);
    }
  }

  /**
   * Query heads that share keys and such that do not, positions that turn and learned ones, windows
   * in all blocks or some, caps, biases, norms on heads, experts, and both directions.
   */
  static List<Narrow> models() {
    return List.of(
        new Narrow("llama", new BlockWidths(37, 6, 5), new BlockWidths(80, 8, 3)),
        new Narrow("llama", new BlockWidths(80, 2, 8), new BlockWidths(1, 4, 1)),
        new Narrow("qwen2", new BlockWidths(50, 4, 7), new BlockWidths(61, 6, 8)),
        new Narrow("mistral", new BlockWidths(80, 6, 3), new BlockWidths(17, 2, 5)),
        new Narrow("mixtral", new BlockWidths(24, 4, 6), new BlockWidths(24, 6, 2)),
        new Narrow("gemma2", new BlockWidths(31, 10, 16), new BlockWidths(48, 14, 9)),
        new Narrow("gemma3", new BlockWidths(31, 16, 11), new BlockWidths(48, 16, 13)),
        new Narrow("qwen3", new BlockWidths(31, 20, 11), new BlockWidths(48, 20, 13)),
        new Narrow("phi3", new BlockWidths(31, 8, 8), new BlockWidths(48, 8, 8)),
        new Narrow("opt", new BlockWidths(48, 5, 8), new BlockWidths(19, 3, 7)),
        new Narrow("bert", new BlockWidths(80, 5, 8), new BlockWidths(19, 3, 7)));
  }

  /** The scalar one first. */
  private static List<KernelProvider> providers() {
    var providers =
        new ArrayList<KernelProvider>(List.of(new ScalarProvider(), new VectorProvider()));
    if (Providers.offers().stream()
        .anyMatch(o -> o.name().equals("emitted") && o.refusal().isEmpty())) {
      providers.add(Providers.choose("emitted"));
    }
    return providers;
  }

  /** Which gives what the whole model gives with zeros for all that is left out. */
  @ParameterizedTest
  @MethodSource("models")
  void agreesWithTorch(Narrow given) {
    try (var source = Checkpoints.open(MODELS.resolve(given.model))) {
      var narrow = RandomNarrow.of(source, 7, given.widths);
      var texts = texts(source);
      if (source.architecture().kind() == ModelKind.ENCODER) {
        var expected = torchStates(narrow, texts);
        for (var provider : providers()) {
          assertClose(states(narrow, provider, texts), expected);
        }
      } else {
        var expected = torch(narrow, texts);
        for (var provider : providers()) {
          assertClose(run(narrow, provider, texts, 5), expected);
          assertClose(run(narrow, provider, texts, 1), expected);
        }
      }
    }
  }

  /** Longer than any window of these models, and of different lengths. */
  private static List<int[]> texts(Checkpoint checkpoint) {
    var random = new SplittableRandom(5);
    return List.of(
        random.ints(7, 0, checkpoint.config().vocabulary()).toArray(),
        random.ints(24, 0, checkpoint.config().vocabulary()).toArray());
  }

  private static List<float[]> torch(Checkpoint checkpoint, List<int[]> texts) {
    try (var model = TorchModel.of(checkpoint)) {
      return texts.stream().map(text -> logits(model, text)).toList();
    }
  }

  private static List<float[]> torchStates(Checkpoint checkpoint, List<int[]> texts) {
    try (var encoder = TorchEncoder.of(checkpoint)) {
      return encoder.encode(texts).stream().map(Matrix::values).toList();
    }
  }

  private static List<float[]> states(
      Checkpoint checkpoint, KernelProvider provider, List<int[]> texts) {
    try (var encoder = RuntimeEncoder.load(checkpoint, provider, WORKERS, Progress.NONE)) {
      return encoder.encode(texts).stream().map(Matrix::values).toList();
    }
  }

  /** In passes of so many tokens. */
  private static List<float[]> run(
      Checkpoint checkpoint, KernelProvider provider, List<int[]> texts, int pass) {
    try (var model =
        new RuntimeModel(Decoder.load(checkpoint, provider, WORKERS, pass, EXACT, Progress.NONE))) {
      return texts.stream().map(text -> logits(model, text)).toList();
    }
  }

  private static float[] logits(LanguageModel model, int[] text) {
    var all = new float[text.length * model.vocabularySize()];
    try (var logits = model.forward(text)) {
      logits.rows(0, text.length, all);
    }
    return all;
  }

  /** Relative to the largest. */
  private static void assertClose(List<float[]> actual, List<float[]> expected) {
    for (int i = 0; i < expected.size(); i++) {
      double largest = 0;
      double error = 0;
      for (int j = 0; j < expected.get(i).length; j++) {
        largest = Math.max(largest, Math.abs(expected.get(i)[j]));
        error = Math.max(error, Math.abs(actual.get(i)[j] - expected.get(i)[j]));
      }
      assertThat(largest).isPositive();
      assertThat(error / largest).isLessThan(TOLERANCE);
    }
  }

  /** Of the model that Lathe brings with it, whose heads have 32 features. */
  private static Checkpoint embedded(Checkpoint source) {
    return RandomNarrow.of(
        source,
        11,
        new BlockWidths(256, 32, 25),
        new BlockWidths(400, 22, 5),
        new BlockWidths(11, 2, 32));
  }

  /**
   * Sequences read together, one that begins with another's pages, one that was taken back and one
   * that forked: all as if read alone.
   */
  @Test
  void sequencesDoNotMatterToEachOther() {
    var location = EmbeddedModel.extract(folder.resolve("together")).directory();
    try (var source = Checkpoints.open(location)) {
      var narrow = embedded(source);
      var first = new SplittableRandom(1).ints(70, 0, source.config().vocabulary()).toArray();
      var second = first.clone();
      second[66] = 3;
      for (var provider : providers().subList(1, providers().size())) {
        var settings = EXACT.withPrefixes();
        try (var decoder = Decoder.load(narrow, provider, WORKERS, 200, settings, Progress.NONE)) {
          var alone = new ArrayList<float[]>();
          for (var text : List.of(first, second)) {
            try (var sequence = decoder.newSequence(0)) {
              alone.add(next(decoder, List.of(sequence), List.of(text)).getFirst());
            }
          }
          var again = decoder.newSequence(first, 0);
          assertThat(again.length()).isEqualTo(64);
          var other = decoder.newSequence(0);
          var together = next(decoder, List.of(other, again), List.of(second, first));
          assertThat(together.get(0)).isEqualTo(alone.get(1));
          assertClose(together.subList(1, 2), alone.subList(0, 1));
          // As speculation does: some tokens that turn out to be others.
          again.truncate(65);
          try (var fork = again.fork()) {
            var both = next(decoder, List.of(again, fork), List.of(second, first));
            assertClose(both, List.of(alone.get(1), alone.get(0)));
          }
          again.close();
          other.close();
        }
      }
    }
  }

  /** The rest of some texts in one pass; logits of the last token of each. */
  private static List<float[]> next(Decoder decoder, List<Sequence> sequences, List<int[]> texts) {
    var batch = new Batch();
    for (int i = 0; i < texts.size(); i++) {
      int from = sequences.get(i).length();
      batch.add(sequences.get(i), texts.get(i), from, texts.get(i).length, Wanted.LAST);
    }
    decoder.forward(batch);
    var rows = new ArrayList<float[]>();
    for (int i = 0; i < texts.size(); i++) {
      var row = decoder.logits(i, i + 1);
      rows.add(row.asSlice(0, 4L * decoder.config().vocabulary()).toArray(ValueLayout.JAVA_FLOAT));
    }
    return rows;
  }

  /** Machine code would write beyond its room. */
  @Test
  void aMatrixOfAnotherWidthIsRefused() {
    try (var whole = Checkpoints.open(MODELS.resolve("llama"))) {
      var narrow = RandomNarrow.of(whole, 1, new BlockWidths(80, 8, 8), new BlockWidths(80, 8, 5));
      var wide =
          new CheckpointView(narrow) {
            @Override
            public LinearWeight matrix(Address address) {
              return address.role() == Role.VALUE ? whole.matrix(address) : super.matrix(address);
            }
          };
      assertThatThrownBy(
              () -> Decoder.load(wide, new VectorProvider(), WORKERS, 8, EXACT, Progress.NONE))
          .isInstanceOf(LatheException.class)
          .hasMessage("model.layers.1.self_attn.v_proj is [16, 48]; this model's is [10, 48]");
    }
  }
}

package ai.lathe.runtime.execution;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.scalar.ScalarProvider;
import ai.lathe.runtime.kernel.vector.VectorProvider;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.Torch;
import ai.lathe.torch.TorchEncoder;
import ai.lathe.torch.TorchModel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every architecture: the same logits or states as the torch executor, which is another program.
 */
class GoldenTest {

  /** Tiny models of every architecture, which tools/make_golden.py wrote for the other executor. */
  private static final Path MODELS = Path.of("../torch/src/test/resources/golden");

  private static final double TOLERANCE = 1e-4;
  private static final KvCache.Settings EXACT = KvCache.Settings.DEFAULT.of(DType.F32);
  private static final Workers WORKERS = new Workers(2);

  @BeforeAll
  static void oneThread() {
    Torch.threads(1);
  }

  @AfterAll
  static void close() {
    WORKERS.close();
  }

  static Stream<Path> models() throws Exception {
    try (var list = Files.list(MODELS)) {
      return list.filter(Files::isDirectory).sorted().toList().stream();
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void agreesWithTorch(Path model) {
    try (var checkpoint = Checkpoints.open(model)) {
      var sequences = sequences(checkpoint);
      for (var provider : List.of(new ScalarProvider(), new VectorProvider())) {
        if (checkpoint.architecture().kind() == ModelKind.ENCODER) {
          compareStates(checkpoint, provider, sequences);
        } else {
          compareLogits(checkpoint, provider, sequences);
        }
      }
    }
  }

  /** Longer than any window of these models, and of different lengths. */
  private static List<int[]> sequences(Checkpoint checkpoint) {
    var random = new SplittableRandom(5);
    var sequences = new ArrayList<int[]>();
    for (int length : new int[] {1, 7, Math.min(24, checkpoint.config().context())}) {
      sequences.add(random.ints(length, 0, checkpoint.config().vocabulary()).toArray());
    }
    return sequences;
  }

  private static void compareLogits(
      Checkpoint checkpoint, KernelProvider provider, List<int[]> sequences) {
    // Passes of five tokens: a sequence takes several.
    try (var expected = TorchModel.of(checkpoint);
        var actual =
            new RuntimeModel(
                Decoder.load(checkpoint, provider, WORKERS, 5, EXACT, Progress.NONE))) {
      for (var sequence : sequences) {
        int size = sequence.length * checkpoint.config().vocabulary();
        var theirs = new float[size];
        var ours = new float[size];
        try (var logits = expected.forward(sequence)) {
          logits.rows(0, sequence.length, theirs);
        }
        try (var logits = actual.forward(sequence)) {
          logits.rows(0, sequence.length, ours);
        }
        assertClose(ours, theirs);
      }
    }
  }

  private static void compareStates(
      Checkpoint checkpoint, KernelProvider provider, List<int[]> sequences) {
    try (var expected = TorchEncoder.of(checkpoint);
        var actual = RuntimeEncoder.load(checkpoint, provider, WORKERS, Progress.NONE)) {
      var theirs = expected.encode(sequences);
      var ours = actual.encode(sequences);
      for (int i = 0; i < sequences.size(); i++) {
        assertClose(ours.get(i).values(), theirs.get(i).values());
      }
    }
  }

  /** Relative to the largest. */
  private static void assertClose(float[] actual, float[] expected) {
    double largest = 0;
    double error = 0;
    for (int i = 0; i < expected.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      error = Math.max(error, Math.abs(actual[i] - expected[i]));
    }
    assertThat(largest).isPositive();
    assertThat(error / largest).isLessThan(TOLERANCE);
  }
}

package ai.lathe.runtime.execution;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.model.Address;
import ai.lathe.model.BlockWidths;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointView;
import ai.lathe.model.EmbeddedModel;
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

  private static List<KernelProvider> providers() {
    var providers = new ArrayList<KernelProvider>(List.of(new ScalarProvider(), new VectorProvider()));
    if (Providers.offers().stream().anyMatch(o -> o.name().equals("emitted") && o.refusal().isEmpty())) {
      providers.add(Providers.choose("emitted"));
    }
    return providers;
  }

  /** By another program, and by the whole model with zeros for what is left out. */
  @ParameterizedTest
  @MethodSource("models")
  void agreesWithTorchAndWithTheWholeModel(Narrow given) {
    try (var source = Checkpoints.open(MODELS.resolve(given.model))) {
      var widths = SlicedModel.cycled(source.config().blocks(), given.widths);
      var sliced = SlicedModel.of(source, widths, 7);
      var texts = texts(source);
      boolean encoder = source.architecture().kind() == ModelKind.ENCODER;
      var torch = encoder ? torchStates(sliced.narrow(), texts) : torch(sliced.narrow(), texts);
      for (var provider : providers()) {
        for (var checkpoint : List.of(sliced.narrow(), sliced.zeroed())) {
          var ours = encoder ? states(checkpoint, provider, texts) : run(checkpoint, provider, texts, 5);
          assertClose(ours, torch);
        }
        if (!encoder) {
          assertClose(run(sliced.narrow(), provider, texts, 1), torch);
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
}

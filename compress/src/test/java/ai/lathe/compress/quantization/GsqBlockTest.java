package ai.lathe.compress.quantization;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.compress.calibration.BlockCalibration;
import ai.lathe.compress.layer.BlockSolver.Part;
import ai.lathe.compress.layer.BlockSolver.Problem;
import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.quantization.Gsq.Config;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.architecture.Site;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.HiddenStates;
import ai.lathe.torch.Layerwise;
import ai.lathe.torch.Torch;
import ai.lathe.torch.TorchBlock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whole blocks of the model that comes with Lathe. */
class GsqBlockTest {

  private static final int LENGTH = 128;

  /** Of each stage something; the other layers stay as they are. */
  private static final Set<Role> TRAINED =
      Set.of(Role.KEY, Role.VALUE, Role.ATTENTION_OUTPUT, Role.DOWN);

  @TempDir static Path folder;
  private static Checkpoint model;
  private static HiddenStates states;
  private static HiddenStates heldOut;
  private static TorchBlock original;
  private static Map<Site, LayerStatistics> statistics;

  @BeforeAll
  static void calibrate() throws Exception {
    var embedded = EmbeddedModel.extract(folder.resolve("embedded"));
    model = Checkpoints.open(embedded.directory().toString(), Progress.NONE);
    var required = new HashMap<Site, Set<Statistic>>();
    for (var address : matrices()) {
      address.reads(model.architecture()).ifPresent(s -> required.put(s, Set.of(Statistic.GRAM)));
    }
    original = TorchBlock.load(model, 0);
    try (var task = Progress.NONE.start("", 1)) {
      states = states(embedded.calibration(), 40);
      heldOut = states(embedded.heldOut(), 8);
      statistics = BlockCalibration.collect(original, states, required, task);
    }
  }

  private static HiddenStates states(Path text, int count) throws Exception {
    var tokens =
        model.tokenizer().orElseThrow().encode(Files.readString(text).substring(0, 40_000));
    var sequences = new ArrayList<int[]>();
    for (int i = 0; i < count; i++) {
      sequences.add(Arrays.copyOfRange(tokens, i * LENGTH, (i + 1) * LENGTH));
    }
    var embedded = new HiddenStates(sequences, model.config().hidden(), 512, 1 << 30, folder);
    Layerwise.embed(model, embedded);
    return embedded;
  }

  @AfterAll
  static void close() {
    original.close();
    states.close();
    heldOut.close();
    model.close();
  }

  private static List<Address> matrices() {
    return model.addresses().stream()
        .filter(address -> address.block() == 0 && TRAINED.contains(address.role()))
        .toList();
  }

  @Test
  void theBlockGivesOutWhatTheOriginalDoesBetterThanWithGptq() {
    var config = Map.of("steps", 60, "layer_steps", 20, "batch_tokens", 512);
    var trained = solve(config);
    var start = new LinkedHashMap<Address, Solution>();
    for (var part : parts(config)) {
      start.put(part.address(), Gsq.start(part.layer(), part.statistics(), part.config()));
    }
    assertThat(trained.keySet()).containsExactlyInAnyOrderElementsOf(matrices());
    assertThat(error(trained)).isLessThan(0.98 * error(start));
    var down = trained.get(Address.weight(0, Role.DOWN));
    assertThat(down.fallbacks()).isEmpty();
  }

  @Test
  void theStartIsKeptWhereTrainingDoesHarm() {
    var config = Map.of("steps", 2, "layer_steps", 2, "learning_rate", 50);
    var solutions = solve(config);
    for (var part : parts(config)) {
      var start = Gsq.start(part.layer(), part.statistics(), part.config()).weight();
      var solution = solutions.get(part.address());
      assertThat(((GroupQuantized) solution.weight()).codes())
          .isEqualTo(((GroupQuantized) start).codes());
      assertThat(solution.fallbacks()).singleElement().asString().startsWith("GSQ did not improve");
    }
  }

  @Test
  void theObjectiveMayBeEachLayersOwn() {
    var config = Map.of("objective", "layer", "layer_steps", 5);
    var solutions = solve(config);
    for (var part : parts(config)) {
      var alone = Gsq.onLayer(part.layer(), part.statistics(), part.config()).weight();
      assertThat(((GroupQuantized) solutions.get(part.address()).weight()).codes())
          .isEqualTo(((GroupQuantized) alone).codes());
    }
  }

  private static List<Part<Config>> parts(Map<String, ?> settings) {
    var parts = new ArrayList<Part<Config>>();
    for (var address : matrices()) {
      var config = new Gsq().config(Problems.grid(2, 32, true, ScaleSearch.MSE), settings);
      var layer = new Layer(model.name(address), model.matrix(address).decode());
      var site = address.reads(model.architecture()).orElseThrow();
      parts.add(new Part<>(address, layer, statistics.get(site), config));
    }
    return parts;
  }

  private static Map<Address, Solution> solve(Map<String, ?> settings) {
    try (var task = Progress.NONE.start("", 1)) {
      return new Gsq().solve(new Problem<>(0, original, states, parts(settings), task));
    }
  }

  /** Squared error of the block's output on text that was not trained on. */
  private static double error(Map<Address, Solution> solutions) {
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      var weights = new HashMap<Address, Tensor>();
      solutions.forEach(
          (address, solution) -> {
            var weight = solution.weight().decode();
            weights.put(address, Torch.ofFloats(weight.values(), weight.rows(), weight.columns()));
          });
      var block = original.with(weights);
      double sum = 0;
      for (int batch = 0; batch < heldOut.batches(); batch++) {
        var hidden = heldOut.get(batch);
        var difference =
            block.forward(hidden, null, null).sub(original.forward(hidden, null, null));
        sum += difference.square().sum().item_double();
      }
      return sum;
    }
  }
}

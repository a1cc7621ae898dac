package ai.lathe.compress.training;

import ai.lathe.compress.calibration.BlockCalibration;
import ai.lathe.compress.layer.BlockSolver;
import ai.lathe.compress.layer.BlockSolver.Part;
import ai.lathe.compress.layer.BlockSolver.Problem;
import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.architecture.Site;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.HiddenStates;
import ai.lathe.torch.Layerwise;
import ai.lathe.torch.Torch;
import ai.lathe.torch.TorchBlock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;

/** The first block of the model that comes with Lathe, with inputs of two texts. */
public final class EmbeddedBlock implements AutoCloseable {

  private static final int LENGTH = 128;

  private final Set<Role> roles;
  private final Path folder;
  private final Checkpoint model;
  private final HiddenStates states;
  private final HiddenStates heldOut;
  private final TorchBlock original;
  private final Map<Site, LayerStatistics> statistics;

  /**
   * @param roles of the layers that are compressed; the others stay as they are
   */
  public EmbeddedBlock(Path folder, Set<Role> roles) throws IOException {
    this.folder = folder;
    this.roles = roles;
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

  private HiddenStates states(Path text, int count) throws IOException {
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

  public List<Address> matrices() {
    return model.addresses().stream()
        .filter(address -> address.block() == 0 && roles.contains(address.role()))
        .toList();
  }

  public <C extends SolverConfig> List<Part<C>> parts(C config) {
    var parts = new ArrayList<Part<C>>();
    for (var address : matrices()) {
      var layer = new Layer(model.name(address), model.matrix(address).decode());
      var site = address.reads(model.architecture()).orElseThrow();
      parts.add(new Part<>(address, layer, statistics.get(site), config));
    }
    return parts;
  }

  public <C extends SolverConfig> Map<Address, Solution> solve(BlockSolver<C> solver, C config) {
    try (var task = Progress.NONE.start("", 1)) {
      return solver.solve(new Problem<>(0, original, states, parts(config), task));
    }
  }

  /** Squared error of the block's output on text that was not trained on. */
  public double error(Map<Address, Solution> solutions) {
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

  @Override
  public void close() {
    original.close();
    states.close();
    heldOut.close();
    model.close();
  }
}

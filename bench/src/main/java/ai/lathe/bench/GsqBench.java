package ai.lathe.bench;

import ai.lathe.compress.calibration.BlockCalibration;
import ai.lathe.compress.layer.BlockSolver.Part;
import ai.lathe.compress.layer.BlockSolver.Problem;
import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.quantization.Gptq;
import ai.lathe.compress.quantization.Gsq;
import ai.lathe.compress.quantization.IntegerGrid;
import ai.lathe.compress.quantization.QuantizationMethod;
import ai.lathe.compress.quantization.ScaleSearch;
import ai.lathe.eval.data.TextData;
import ai.lathe.eval.data.Windows;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Site;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.HiddenStates;
import ai.lathe.torch.Layerwise;
import ai.lathe.torch.Torch;
import ai.lathe.torch.TorchBlock;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;

/**
 * GSQ of one block of a decoder at 2 bits, whose inputs come from the original blocks before it:
 * seconds by stage, of the clock and of the processor, and the error of the block's output with
 * hard codes on sequences that were not trained on, as a share of what the block adds to its input.
 * Beside it GPTQ, and GPTQ with scales of either sign, where GSQ begins.
 *
 * <p>{@code GsqBench MODEL BLOCK TEXT SAMPLES SEQUENCE-LENGTH GROUP-SIZE [KEY=VALUE...]}, where
 * keys are GSQ's settings; a quarter as many samples again are held out.
 */
public final class GsqBench {

  private static final int BITS = 2;

  private GsqBench() {}

  public static void main(String[] arguments) {
    int index = Integer.parseInt(arguments[1]);
    int samples = Integer.parseInt(arguments[3]);
    int length = Integer.parseInt(arguments[4]);
    var scheme = new IntegerScheme(BITS, Integer.parseInt(arguments[5]), true, Activations.NONE);
    var settings = new LinkedHashMap<String, String>();
    for (int i = 6; i < arguments.length; i++) {
      var pair = arguments[i].split("=", 2);
      settings.put(pair[0], pair[1]);
    }
    try (var model = Checkpoints.open(arguments[0]);
        var _ = new NoGradGuard();
        var block = TorchBlock.load(model, index)) {
      var text = TextData.open(Path.of(arguments[2]), TextData.DEFAULT_FIELD);
      var tokens =
          Windows.calibration(
                  text,
                  model.tokenizer().orElseThrow(),
                  samples + Math.ceilDiv(samples, 4),
                  length,
                  0)
              .tokens();
      try (var training = states(model, index, tokens.subList(0, samples));
          var heldOut = states(model, index, tokens.subList(samples, tokens.size()))) {
        measure(model, block, scheme, settings, training, heldOut);
      }
    }
  }

  private static void measure(
      Checkpoint model,
      TorchBlock block,
      IntegerScheme scheme,
      Map<String, String> settings,
      HiddenStates training,
      HiddenStates heldOut) {
    var addresses =
        model.addresses().stream()
            .filter(address -> address.block() == block.index())
            .filter(address -> !address.isVector(model.architecture()))
            .toList();
    var required = new HashMap<Site, Set<Statistic>>();
    addresses.forEach(
        address ->
            required.put(
                address.reads(model.architecture()).orElseThrow(), Set.of(Statistic.GRAM)));
    var stages = new Stages();
    stages.note("statistics");
    var statistics = BlockCalibration.collect(block, training, required, stages);
    stages.note("GPTQ");
    var plain = new IntegerGrid(scheme, ScaleSearch.MSE, DType.F16);
    var gptq = parts(model, addresses, statistics, new Gptq(), plain, Map.of());
    var usual = each(new Gptq(), gptq);
    stages.note("GPTQ, scales of either sign");
    var signed = new IntegerGrid(scheme, ScaleSearch.SIGNED_MSE, DType.F16);
    var start = each(new Gptq(), parts(model, addresses, statistics, new Gptq(), signed, Map.of()));
    var gsq = parts(model, addresses, statistics, new Gsq(), plain, settings);
    stages.note("GSQ: queries and keys");
    long clock = System.nanoTime();
    long processor = GptqBench.processorTime();
    var trained = new Gsq().solve(new Problem<>(block.index(), block, training, gsq, stages));
    System.out.printf(
        "GSQ in all: %.1f s, of the processor %.1f s%n",
        (System.nanoTime() - clock) / 1e9, (GptqBench.processorTime() - processor) / 1e9);
    stages.close();
    trained.forEach(
        (address, solution) ->
            solution.fallbacks().forEach(note -> System.out.println(address + ": " + note)));
    System.out.printf("error of the output: GPTQ %.4f%n", error(block, heldOut, usual));
    System.out.printf("error of the output: GPTQ, signed %.4f%n", error(block, heldOut, start));
    System.out.printf("error of the output: GSQ %.4f%n", error(block, heldOut, trained));
  }

  /** What the blocks before give. */
  private static HiddenStates states(Checkpoint model, int block, List<int[]> tokens) {
    var states = new HiddenStates(tokens, model.config().hidden(), 2048, 1L << 30, Path.of("."));
    Layerwise.embed(model, states);
    for (int before = 0; before < block; before++) {
      try (var run = TorchBlock.load(model, before)) {
        Layerwise.advance(run, states, Progress.Task.SILENT);
      }
    }
    return states;
  }

  private static <C extends SolverConfig> List<Part<C>> parts(
      Checkpoint model,
      List<Address> addresses,
      Map<Site, LayerStatistics> statistics,
      QuantizationMethod<C> method,
      IntegerGrid grid,
      Map<String, ?> settings) {
    var config = method.config(grid, settings);
    var parts = new ArrayList<Part<C>>();
    for (var address : addresses) {
      var layer = new Layer(model.name(address), model.matrix(address).decode());
      var site = address.reads(model.architecture()).orElseThrow();
      parts.add(new Part<>(address, layer, statistics.get(site), config));
    }
    return parts;
  }

  private static <C extends SolverConfig> Map<Address, Solution> each(
      QuantizationMethod<C> method, List<Part<C>> parts) {
    var solutions = new HashMap<Address, Solution>();
    for (var part : parts) {
      var config = List.of(part.config());
      solutions.put(
          part.address(), method.solve(part.layer(), part.statistics(), config).getFirst());
    }
    return solutions;
  }

  private static double error(
      TorchBlock block, HiddenStates inputs, Map<Address, Solution> solutions) {
    try (var _ = new PointerScope()) {
      var weights = new HashMap<Address, Tensor>();
      solutions.forEach(
          (address, solution) -> {
            var weight = solution.weight().decode();
            weights.put(address, Torch.ofFloats(weight.values(), weight.rows(), weight.columns()));
          });
      var compressed = block.with(weights);
      double lost = 0;
      double added = 0;
      for (int batch = 0; batch < inputs.batches(); batch++) {
        try (var _ = new PointerScope()) {
          var input = inputs.get(batch);
          var padding = inputs.padding(batch);
          var output = block.forward(input, padding, null);
          var difference = compressed.forward(input, padding, null).sub(output);
          lost += difference.square().sum().item_double();
          added += output.sub(input).square().sum().item_double();
        }
      }
      return lost / added;
    }
  }

  /** Prints how long each stage takes: all notes up to the first comma with the same words. */
  private static final class Stages implements Progress.Task {

    private String stage;
    private long clock;
    private long processor;

    @Override
    public void advance(long by) {}

    @Override
    public void note(String message) {
      int step = message.indexOf(", step");
      var next = step < 0 ? message : "GSQ: " + message.substring(0, step);
      if (!next.equals(stage)) {
        close();
        stage = next;
        clock = System.nanoTime();
        processor = GptqBench.processorTime();
      }
    }

    @Override
    public void close() {
      if (stage != null) {
        System.out.printf(
            "%s: %.1f s, of the processor %.1f s%n",
            stage,
            (System.nanoTime() - clock) / 1e9,
            (GptqBench.processorTime() - processor) / 1e9);
      }
      stage = null;
    }
  }
}

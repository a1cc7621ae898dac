package ai.lathe.compress;

import ai.lathe.compress.calibration.Coverage;
import ai.lathe.compress.compensation.Compensation;
import ai.lathe.compress.layer.BlockSolver;
import ai.lathe.compress.layer.BlockSolver.Part;
import ai.lathe.compress.layer.BlockSolver.Problem;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Level;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.plan.Plan;
import ai.lathe.compress.transform.BlockWeights;
import ai.lathe.model.Address;
import ai.lathe.model.architecture.Site;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.HiddenStates;
import ai.lathe.torch.TorchBlock;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The layers of a block that are solved together, not one by one. */
final class BlockSolutions {

  static final BlockSolutions NONE = new BlockSolutions();

  private final Map<Address, Solution> solutions = new HashMap<>();
  private final Map<Address, Long> nanoseconds = new HashMap<>();

  private BlockSolutions() {}

  /** Solves every layer of a block whose solver is a {@link BlockSolver}. */
  static BlockSolutions of(
      List<Plan.Entry> entries, BlockWeights weights, HiddenStates inputs, Progress.Task task) {
    var bySolver = new LinkedHashMap<BlockSolver<?>, List<Plan.Entry>>();
    for (var entry : entries) {
      if (entry.level().isPresent()
          && entry.level().get().root().solver() instanceof BlockSolver<?> solver) {
        bySolver.computeIfAbsent(solver, _ -> new ArrayList<>()).add(entry);
      }
    }
    var all = new BlockSolutions();
    bySolver.forEach((solver, layers) -> all.add(solver, layers, weights, inputs, task));
    return all;
  }

  private <C extends SolverConfig> void add(
      BlockSolver<C> solver,
      List<Plan.Entry> entries,
      BlockWeights weights,
      HiddenStates inputs,
      Progress.Task task) {
    long start = System.nanoTime();
    var parts = new ArrayList<Part<C>>();
    var levels = new ArrayList<Level<?>>();
    var architecture = weights.view().architecture();
    var known = new HashMap<Optional<Site>, LayerStatistics>();
    for (var entry : entries) {
      // A level holds a solver and a config of one type.
      @SuppressWarnings("unchecked")
      var config = (C) entry.level().orElseThrow().root().config();
      var address = entry.address();
      var layer = weights.layer(address, weights.weight(address));
      var statistics =
          known.computeIfAbsent(
              address.reads(architecture),
              _ ->
                  Coverage.of(
                          address, entry.columns(), solver.requires(), weights.statistics(address))
                      .statistics());
      parts.add(new Part<>(address, layer, statistics, config));
      levels.add(entry.level().orElseThrow());
    }
    int block = entries.getFirst().address().block();
    try (var original = TorchBlock.load(weights.view(), block)) {
      var solved = solver.solve(new Problem<>(block, original, inputs, List.copyOf(parts), task));
      for (int i = 0; i < parts.size(); i++) {
        var part = parts.get(i);
        var solution = solved.get(part.address());
        if (solution == null) {
          throw new IllegalStateException(part.layer().name() + " was left unsolved");
        }
        solutions.put(part.address(), compensated(levels.get(i), part, solution));
      }
    }
    long share = (System.nanoTime() - start) / parts.size();
    parts.forEach(part -> nanoseconds.put(part.address(), share));
  }

  /** With what stands beside a layer, which each has for itself. */
  private static Solution compensated(Level<?> level, Part<?> part, Solution solution) {
    return level.config() instanceof Compensation.Config config
        ? Compensation.add(
            config,
            part.layer(),
            part.statistics(),
            compensated(config.compressed(), part, solution))
        : solution;
  }

  /** Empty for a layer that is solved by itself. */
  Optional<Solution> solution(Address address) {
    return Optional.ofNullable(solutions.get(address));
  }

  /** A layer's share of the time that they took. */
  long nanoseconds(Address address) {
    return nanoseconds.getOrDefault(address, 0L);
  }
}

package ai.lathe.compress.database;

import ai.lathe.compress.calibration.Coverage;
import ai.lathe.compress.calibration.InputScale;
import ai.lathe.compress.database.LayerLevels.Made;
import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerSolver;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.plan.Plan;
import ai.lathe.compress.pruning.PruningMethod;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Site;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Zeros;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Solves and writes all layers of one block at all levels. */
final class BlockLevels {

  private final Checkpoint source;
  private final LevelPlans plans;
  private final BlockFiles files;
  private final int block;
  private final Map<Site, LayerStatistics> statistics;
  private final Map<Address, float[]> fisher;

  /**
   * A level of a layer that is to be made.
   *
   * @param sameAs the level before it that is made likewise
   */
  private record Asked(String level, Plan.Entry entry, Optional<String> sameAs) {}

  /** What decides how a level of a given layer comes out. */
  private record Way(Class<?> solver, SolverConfig config, Encoding encoding) {}

  private record Solved(Solution solution, double seconds) {}

  /**
   * @param statistics of the block's inputs
   * @param fisher mean squares of gradients by outputs; of no layer where none were taken
   */
  BlockLevels(
      Checkpoint source,
      LevelPlans plans,
      BlockFiles files,
      int block,
      Map<Site, LayerStatistics> statistics,
      Map<Address, float[]> fisher) {
    this.source = source;
    this.plans = plans;
    this.files = files;
    this.block = block;
    this.statistics = statistics;
    this.fisher = fisher;
  }

  /** When it returns, the block's files are durable and in place. */
  List<LayerLevels> solve() {
    var layers = plans.layers(block);
    var asked = new LinkedHashMap<Plan.Entry, List<Asked>>();
    layers.forEach(layer -> asked.put(layer, asked(layer)));
    var writers = new LinkedHashMap<String, BlockFiles.Writer>();
    try {
      for (var spec : plans.specs()) {
        var stored =
            asked.values().stream()
                .flatMap(List::stream)
                .filter(level -> level.level().equals(spec.name()) && level.sameAs().isEmpty())
                .map(Asked::entry)
                .toList();
        if (!stored.isEmpty()) {
          writers.put(spec.name(), files.new Writer(spec.name(), block, stored));
        }
      }
      var made = layers.stream().map(layer -> layer(layer, asked.get(layer), writers)).toList();
      writers.values().forEach(BlockFiles.Writer::finish);
      return made;
    } finally {
      writers.values().forEach(BlockFiles.Writer::close);
    }
  }

  private List<Asked> asked(Plan.Entry layer) {
    var first = new HashMap<Way, String>();
    var asked = new ArrayList<Asked>();
    for (var spec : plans.specs()) {
      plans
          .entry(spec.name(), layer.address())
          .ifPresent(
              entry -> {
                var level = entry.level().orElseThrow();
                var way = new Way(level.solver().getClass(), level.config(), entry.encoding());
                var before = Optional.ofNullable(first.putIfAbsent(way, spec.name()));
                asked.add(new Asked(spec.name(), entry, before));
              });
    }
    return asked;
  }

  private LayerLevels layer(
      Plan.Entry layer, List<Asked> asked, Map<String, BlockFiles.Writer> writers) {
    var weight = source.matrix(layer.address()).decode();
    var seen =
        layer
            .address()
            .reads(source.architecture())
            .map(statistics::get)
            .orElse(LayerStatistics.NONE);
    var requires = EnumSet.of(Statistic.GRAM);
    asked.forEach(level -> requires.addAll(level.entry().level().orElseThrow().requires()));
    var coverage = Coverage.of(layer.address(), layer.columns(), requires, seen);
    var solved = solve(new Layer(layer.name(), weight), coverage.statistics(), asked);
    var losses =
        new LayerLosses(
            weight,
            coverage.statistics().gram().orElseThrow(),
            coverage.statistics().tokens(),
            Optional.ofNullable(fisher.get(layer.address())));
    var made = new LinkedHashMap<String, Made>();
    for (var level : asked) {
      if (level.sameAs().isPresent()) {
        var other = made.get(level.sameAs().get());
        made.put(level.level(), same(level, other));
        continue;
      }
      var result = solved.get(level.level());
      var stored =
          InputScale.calibrated(
              layer.name(), result.solution().in(level.entry().encoding()).weight(), seen);
      writers.get(level.level()).write(level.entry(), stored);
      var fallbacks = new ArrayList<String>();
      level.entry().fallback().ifPresent(fallbacks::add);
      coverage.note().ifPresent(fallbacks::add);
      fallbacks.addAll(result.solution().fallbacks());
      made.put(
          level.level(),
          new Made(
              level.level(),
              level.entry().encoding().label(),
              plans.bytes(level.entry()),
              Optional.empty(),
              sparsity(level.entry(), stored),
              losses.of(stored),
              result.seconds(),
              fallbacks));
    }
    return new LayerLevels(layer.name(), List.copyOf(made.values()));
  }

  private static Made same(Asked level, Made other) {
    var fallbacks = new ArrayList<String>();
    level.entry().fallback().ifPresent(fallbacks::add);
    return new Made(
        level.level(),
        other.encoding(),
        other.bytes(),
        Optional.of(other.level()),
        other.sparsity(),
        other.losses(),
        0,
        fallbacks);
  }

  /** All levels of one solver in one call. */
  private Map<String, Solved> solve(Layer layer, LayerStatistics seen, List<Asked> asked) {
    var bySolver = new LinkedHashMap<Class<?>, List<Asked>>();
    for (var level : asked) {
      if (level.sameAs().isEmpty()) {
        bySolver
            .computeIfAbsent(
                level.entry().level().orElseThrow().solver().getClass(), _ -> new ArrayList<>())
            .add(level);
      }
    }
    var solved = new HashMap<String, Solved>();
    bySolver.values().forEach(levels -> solve(layer, seen, levels, solved));
    return solved;
  }

  private static <C extends SolverConfig> void solve(
      Layer layer, LayerStatistics seen, List<Asked> levels, Map<String, Solved> solved) {
    long start = System.nanoTime();
    // A level holds a solver and a config of one type, and these have solvers of one class.
    @SuppressWarnings("unchecked")
    var solver = (LayerSolver<C>) levels.getFirst().entry().level().orElseThrow().solver();
    var configs = new ArrayList<C>();
    for (var level : levels) {
      @SuppressWarnings("unchecked")
      var config = (C) level.entry().level().orElseThrow().config();
      configs.add(config);
    }
    var solutions = solver.solve(layer, seen, configs);
    double seconds = (System.nanoTime() - start) / 1e9 / levels.size();
    for (int i = 0; i < levels.size(); i++) {
      solved.put(levels.get(i).level(), new Solved(solutions.get(i), seconds));
    }
  }

  /** Exact where there is a mask; else the zeros among the values that pruning left. */
  private static double sparsity(Plan.Entry entry, LinearWeight weight) {
    var masked = Zeros.masked(weight);
    boolean prunes = entry.level().orElseThrow().root().solver() instanceof PruningMethod<?>;
    return masked
        .or(() -> prunes ? Optional.of(Zeros.counted(weight)) : Optional.empty())
        .map(Zeros::share)
        .orElse(0.0);
  }
}

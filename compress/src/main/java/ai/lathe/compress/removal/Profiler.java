package ai.lathe.compress.removal;

import ai.lathe.compress.calibration.BlockCalibration;
import ai.lathe.compress.calibration.Coverage;
import ai.lathe.compress.database.FisherFile;
import ai.lathe.compress.factorization.FactorizationMethod;
import ai.lathe.compress.factorization.Parameters;
import ai.lathe.compress.factorization.RelativeErrors;
import ai.lathe.compress.factorization.RemovalKnapsack.Measure;
import ai.lathe.compress.journal.Fingerprint;
import ai.lathe.compress.journal.Journal;
import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.measure.Executor;
import ai.lathe.compress.plan.Plan;
import ai.lathe.compress.quantization.OutputError;
import ai.lathe.compress.removal.Candidates.Candidate;
import ai.lathe.compress.removal.LayerProfile.Option;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Site;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.HiddenStates;
import ai.lathe.torch.Layerwise;
import ai.lathe.torch.TorchBlock;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Goes through a model block by block, each calibrated on what the original blocks before it give,
 * and finds what its layers would lose at every level that they may be given. A block that the
 * journal has is not looked at again.
 */
final class Profiler {

  private static final ObjectMapper JSON = new ObjectMapper();

  /** Operations of a step of progress. */
  private static final double STEP = 1e8;

  private final Checkpoint source;
  private final Candidates candidates;
  private final Measure measure;
  private final List<int[]> sequences;
  private final Path fisherFile;
  private final Progress progress;

  /** A line of the journal. */
  private record Step(int block, List<LayerProfile> layers) {}

  /**
   * @param measure by which the best settings at one removal are told
   * @param fisherFile where gradients are kept that the measure may need
   */
  Profiler(
      Checkpoint source,
      Candidates candidates,
      Measure measure,
      List<int[]> sequences,
      Path fisherFile,
      Progress progress) {
    this.source = source;
    this.candidates = candidates;
    this.measure = measure;
    this.sequences = sequences;
    this.fisherFile = fisherFile;
    this.progress = progress;
  }

  /** Profiles in order of execution. */
  List<LayerProfile> run(Journal journal, Fingerprint fingerprint) {
    var done = new TreeMap<Integer, List<LayerProfile>>();
    for (var line : journal.steps()) {
      var step = JSON.convertValue(line, Step.class);
      done.put(step.block(), step.layers());
    }
    int blocks = source.config().blocks();
    if (done.size() < blocks) {
      profile(journal, done, fisher(fingerprint));
    }
    return done.values().stream().flatMap(List::stream).toList();
  }

  private Map<Address, float[]> fisher(Fingerprint fingerprint) {
    return measure == Measure.FISHER
        ? FisherFile.get(
            fisherFile,
            Fingerprint.ofText(fingerprint.parts().toString()),
            source,
            candidates.originals(),
            sequences,
            progress)
        : Map.of();
  }

  private void profile(
      Journal journal, Map<Integer, List<LayerProfile>> done, Map<Address, float[]> fisher) {
    int blocks = source.config().blocks();
    try (var states = Executor.states(source, sequences, fisherFile.toAbsolutePath().getParent());
        var task = progress.start("profiling " + blocks + " blocks", steps())) {
      Layerwise.embed(source, states);
      for (int block = 0; block < blocks; block++) {
        task.note("block " + block);
        if (done.containsKey(block)) {
          try (var original = TorchBlock.load(source, block)) {
            Layerwise.advance(original, states, Progress.Task.SILENT);
          }
          layers(block).forEach(layer -> task.advance(steps(layer)));
        } else {
          var layers = profile(block, states, fisher, task);
          journal.append(new Step(block, layers));
          done.put(block, layers);
        }
        source.release(block);
      }
    }
  }

  private List<Plan.Entry> layers(int block) {
    return candidates.originals().stream()
        .filter(entry -> entry.address().block() == block)
        .toList();
  }

  private long steps() {
    return candidates.originals().stream().mapToLong(this::steps).sum();
  }

  private long steps(Plan.Entry layer) {
    double tokens = sequences.stream().mapToLong(sequence -> sequence.length).sum();
    double calibrating = 4 * tokens * layer.weights();
    return 1 + (long) ((candidates.work(layer) + calibrating) / STEP);
  }

  private List<LayerProfile> profile(
      int block, HiddenStates states, Map<Address, float[]> fisher, Progress.Task task) {
    var layers = layers(block);
    var required = new HashMap<Site, Set<Statistic>>();
    for (var layer : layers) {
      layer
          .address()
          .reads(source.architecture())
          .ifPresent(
              site ->
                  required
                      .computeIfAbsent(site, _ -> EnumSet.of(Statistic.GRAM))
                      .addAll(requires(layer)));
    }
    Map<Site, LayerStatistics> statistics;
    try (var original = TorchBlock.load(source, block)) {
      statistics =
          BlockCalibration.collectAndAdvance(original, states, required, Progress.Task.SILENT);
    }
    var profiles = new ArrayList<LayerProfile>();
    for (var layer : layers) {
      task.note(layer.name());
      var seen =
          layer
              .address()
              .reads(source.architecture())
              .map(statistics::get)
              .orElse(LayerStatistics.NONE);
      var covered = Coverage.of(layer.address(), layer.columns(), requires(layer), seen);
      profiles.add(profile(layer, covered.statistics(), fisher));
      task.advance(steps(layer));
    }
    return profiles;
  }

  private Set<Statistic> requires(Plan.Entry layer) {
    var all = EnumSet.of(Statistic.GRAM);
    candidates
        .of(layer.address())
        .forEach(one -> all.addAll(one.entry().level().orElseThrow().requires()));
    return all;
  }

  private LayerProfile profile(
      Plan.Entry layer, LayerStatistics statistics, Map<Address, float[]> fisher) {
    var weight = source.matrix(layer.address()).decode();
    var levels = candidates.of(layer.address());
    var errors = errors(candidates.method(), new Layer(layer.name(), weight), statistics, levels);
    // Of several settings at one removal the one that loses least.
    var best = new LinkedHashMap<Double, Option>();
    for (int i = 0; i < levels.size(); i++) {
      var option = option(levels.get(i), errors.get(i));
      best.merge(
          option.removed(),
          option,
          (one, other) ->
              LayerProfile.error(other, measure) < LayerProfile.error(one, measure) ? other : one);
    }
    return new LayerProfile(
        layer.name(),
        layer.address().block(),
        layer.weights(),
        candidates.bytes(layer),
        layer.encoding().label(),
        minded(weight, statistics, fisher.get(layer.address())),
        List.copyOf(best.values()));
  }

  private Option option(Candidate level, RelativeErrors errors) {
    var entry = level.entry();
    var settings = new TreeMap<String, String>();
    level.settings().forEach((name, value) -> settings.put(name, value.toString()));
    return new Option(
        level.removed(),
        settings,
        entry.encoding().label(),
        parameters(candidates.method(), entry),
        candidates.bytes(entry),
        errors.output(),
        errors.weight());
  }

  /** Of the factors, even where the file will have them multiplied out. */
  private static <C extends SolverConfig> long parameters(
      FactorizationMethod<C> method, Plan.Entry entry) {
    var encoding = method.encoding(config(entry), entry.rows(), entry.columns());
    return Parameters.of(encoding, entry.rows(), entry.columns());
  }

  private static <C extends SolverConfig> List<RelativeErrors> errors(
      FactorizationMethod<C> method,
      Layer layer,
      LayerStatistics statistics,
      List<Candidate> levels) {
    var configs = levels.stream().map(level -> Profiler.<C>config(level.entry())).toList();
    return method.errors(layer, statistics, configs);
  }

  /** A level of the method has a config of the method. */
  @SuppressWarnings("unchecked")
  private static <C extends SolverConfig> C config(Plan.Entry entry) {
    return (C) entry.level().orElseThrow().config();
  }

  /** {@code sum_i G_ii (W H W^T)_ii / 2} a token. */
  private static double minded(Matrix weight, LayerStatistics statistics, float[] fisher) {
    if (fisher == null || statistics.gram().isEmpty()) {
      return Double.NaN;
    }
    var energies = OutputError.energies(weight, statistics.gram().get());
    double sum = 0;
    for (int i = 0; i < energies.length; i++) {
      sum += fisher[i] * energies[i];
    }
    return Math.max(0, sum / (2.0 * Math.max(1, statistics.tokens())));
  }
}

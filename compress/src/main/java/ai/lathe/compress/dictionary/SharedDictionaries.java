package ai.lathe.compress.dictionary;

import ai.lathe.compress.calibration.BlockCalibration;
import ai.lathe.compress.calibration.Coverage;
import ai.lathe.compress.factorization.CoSpaDi;
import ai.lathe.compress.factorization.DictionaryGroup;
import ai.lathe.compress.factorization.SharedDictionary;
import ai.lathe.compress.journal.Fingerprint;
import ai.lathe.compress.journal.Leftovers;
import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Level;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.measure.Executor;
import ai.lathe.compress.plan.Estimate;
import ai.lathe.compress.plan.Plan;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Site;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.HiddenStates;
import ai.lathe.torch.Layerwise;
import ai.lathe.torch.TorchBlock;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;

/**
 * What happens before a plan whose layers share dictionaries can be carried out: a pass over the
 * original blocks sums the Gram matrices of each group, and learns a dictionary when the last of
 * its blocks was seen. Dictionaries of one last block stand in one file, behind which a run goes
 * on.
 */
public final class SharedDictionaries {

  private static final Set<Statistic> GRAM = EnumSet.of(Statistic.GRAM);

  private final Plan plan;

  /** By the block that is the last one of a group. */
  private final TreeMap<Integer, List<Group>> groups = new TreeMap<>();

  /**
   * Layers with one dictionary.
   *
   * @param entries in order of their blocks
   */
  private record Group(List<Plan.Entry> entries, CoSpaDi.Config config) {

    String owner() {
      return entries.getFirst().name();
    }

    boolean has(int block) {
      return entries.stream().anyMatch(entry -> entry.address().block() == block);
    }

    List<Integer> blocks() {
      return entries.stream().map(entry -> entry.address().block()).toList();
    }
  }

  /**
   * An input that layers of these blocks read: its Gram matrices are summed once for all of them.
   */
  private record Input(List<Integer> blocks, Site site) {}

  private SharedDictionaries(Plan plan) {
    this.plan = plan;
    var byOwner = new LinkedHashMap<String, List<Plan.Entry>>();
    for (var entry : plan.entries()) {
      group(entry)
          .ifPresent(
              group -> byOwner.computeIfAbsent(group.owner(), _ -> new ArrayList<>()).add(entry));
    }
    for (var entries : byOwner.values()) {
      var config = config(entries.getFirst()).orElseThrow();
      int last = entries.getLast().address().block();
      groups
          .computeIfAbsent(last, _ -> new ArrayList<>())
          .add(new Group(List.copyOf(entries), config));
    }
  }

  /** Empty where no layers share any; throws where that does not go with the rest of the plan. */
  public static Optional<SharedDictionaries> of(Plan plan) {
    var shared = new SharedDictionaries(plan);
    if (shared.groups.isEmpty()) {
      return Optional.empty();
    }
    if (!plan.transforms().isEmpty()) {
      throw new LatheException(
          "a dictionary of several blocks is learned on their weights as they are, and the recipe"
              + " transforms them: take group=1, or leave the transforms out");
    }
    for (var entry : plan.entries()) {
      if (group(entry).isPresent()
          && !(entry.level().orElseThrow().config() instanceof CoSpaDi.Config)) {
        throw new LatheException(
            entry.name()
                + " shares a dictionary, beside which nothing makes up for what is lost: take group=1, or"
                + " leave the compensation out");
      }
    }
    return Optional.of(shared);
  }

  private static Optional<CoSpaDi.Config> config(Plan.Entry entry) {
    return entry
        .level()
        .map(level -> level.root().config())
        .filter(CoSpaDi.Config.class::isInstance)
        .map(CoSpaDi.Config.class::cast);
  }

  private static Optional<DictionaryGroup> group(Plan.Entry entry) {
    return config(entry).flatMap(CoSpaDi.Config::group);
  }

  /**
   * Learns what an earlier run has not learned.
   *
   * @param artifact that files stand beside until the run is over
   * @param resume keep what an earlier run of the same model, data and recipe learned
   * @param notes takes what did not go as configured
   * @return the plan with the dictionaries
   */
  public Plan learn(
      Checkpoint source,
      List<int[]> sequences,
      Path artifact,
      boolean resume,
      Progress progress,
      Consumer<String> messages,
      Consumer<String> notes) {
    if (!resume) {
      Leftovers.delete(directoryFor(artifact));
    }
    var fingerprint = fingerprint(source, sequences);
    var missing = new ArrayList<Integer>();
    for (int last : groups.keySet()) {
      if (DictionaryFile.notes(file(artifact, last), fingerprint).isEmpty()) {
        missing.add(last);
      }
    }
    if (!missing.isEmpty()) {
      estimate(source, sequences, artifact, messages);
      learn(source, sequences, artifact, fingerprint, missing, progress);
    }
    for (int last : groups.keySet()) {
      DictionaryFile.notes(file(artifact, last), fingerprint).orElseThrow().forEach(notes);
    }
    return bound(artifact);
  }

  private void learn(
      Checkpoint source,
      List<int[]> sequences,
      Path artifact,
      String fingerprint,
      List<Integer> missing,
      Progress progress) {
    int blocks = missing.getLast() + 1;
    var open = missing.stream().flatMap(last -> groups.get(last).stream()).toList();
    var sums = new HashMap<Input, LayerStatistics>();
    try (var states = Executor.states(source, sequences, artifact.toAbsolutePath().getParent());
        var task = progress.start("learning dictionaries of " + blocks + " blocks", blocks)) {
      Layerwise.embed(source, states);
      for (int block = 0; block < blocks; block++) {
        task.note("block " + block);
        collect(source, block, open, states, sums);
        if (missing.contains(block)) {
          var dictionaries = new LinkedHashMap<String, Matrix>();
          var notes = new ArrayList<String>();
          for (var group : groups.get(block)) {
            task.note(group.owner());
            dictionaries.put(group.owner(), learn(source, group, sums, notes));
          }
          for (var group : groups.get(block)) {
            inputs(source, group).ifPresent(sums::remove);
          }
          DictionaryFile.write(file(artifact, block), fingerprint, dictionaries, notes);
        }
        source.release(block);
        task.advance(1);
      }
    }
  }

  /** Adds what the layers of a block read, and goes on to the next block. */
  private static void collect(
      Checkpoint source,
      int block,
      List<Group> open,
      HiddenStates states,
      Map<Input, LayerStatistics> sums) {
    var required = new HashMap<Site, Set<Statistic>>();
    var inputs = new ArrayList<Input>();
    for (var group : open) {
      var input = inputs(source, group).filter(_ -> group.has(block));
      if (input.isPresent() && !inputs.contains(input.get())) {
        inputs.add(input.get());
        required.put(input.get().site(), GRAM);
      }
    }
    try (var original = TorchBlock.load(source, block)) {
      if (required.isEmpty()) {
        Layerwise.advance(original, states, Progress.Task.SILENT);
        return;
      }
      var seen =
          BlockCalibration.collectAndAdvance(original, states, required, Progress.Task.SILENT);
      for (var input : inputs) {
        sums.merge(input, seen.get(input.site()), SharedDictionaries::sum);
      }
    }
  }

  private static LayerStatistics sum(LayerStatistics one, LayerStatistics other) {
    if (one.gram().isEmpty() || other.gram().isEmpty()) {
      return one.gram().isEmpty() ? other : one;
    }
    var sum = one.gram().get().copy();
    var more = other.gram().get().values();
    for (int i = 0; i < more.length; i++) {
      sum.values()[i] += more[i];
    }
    return LayerStatistics.of(one.tokens() + other.tokens(), sum);
  }

  private static Optional<Input> inputs(Checkpoint source, Group group) {
    return group
        .entries()
        .getFirst()
        .address()
        .reads(source.architecture())
        .map(site -> new Input(group.blocks(), site));
  }

  private static Matrix learn(
      Checkpoint source, Group group, Map<Input, LayerStatistics> sums, List<String> notes) {
    var first = group.entries().getFirst();
    var seen = inputs(source, group).map(sums::get).orElse(LayerStatistics.NONE);
    var covered = Coverage.of(first.address(), first.columns(), GRAM, seen);
    var layers =
        group.entries().stream()
            .map(entry -> new Layer(entry.name(), source.matrix(entry.address()).decode()))
            .toList();
    var own = new ArrayList<String>();
    covered.note().ifPresent(own::add);
    var learned = SharedDictionary.learn(layers, covered.statistics(), group.config(), own);
    own.forEach(note -> notes.add("the dictionary of " + group.owner() + ": " + note));
    return learned;
  }

  private Plan bound(Path artifact) {
    var files = new HashMap<String, Path>();
    groups.forEach(
        (last, all) -> all.forEach(group -> files.put(group.owner(), file(artifact, last))));
    var entries =
        plan.entries().stream()
            .map(
                entry ->
                    group(entry).isEmpty()
                        ? entry
                        : bound(entry, files.get(group(entry).orElseThrow().owner())))
            .toList();
    return new Plan(plan.target(), entries, plan.transforms(), plan.prerequisites(), plan.notes());
  }

  private static Plan.Entry bound(Plan.Entry entry, Path file) {
    var config = config(entry).orElseThrow().in(file);
    return new Plan.Entry(
        entry.address(),
        entry.name(),
        entry.rows(),
        entry.columns(),
        entry.encoding(),
        Optional.of(new Level<>(new CoSpaDi(), config)),
        entry.grid(),
        entry.fallback());
  }

  private String fingerprint(Checkpoint source, List<int[]> sequences) {
    var parts = new LinkedHashMap<String, String>();
    parts.put("model", Fingerprint.of(source));
    parts.put("data", Fingerprint.of(sequences));
    var text = new StringBuilder();
    groups.values().forEach(all -> all.forEach(group -> text.append(group.config()).append('\n')));
    parts.put("recipe", text.toString());
    return Fingerprint.ofText(parts.toString());
  }

  /** Throws where the machine has too little memory or disk. */
  private void estimate(
      Checkpoint source, List<int[]> sequences, Path artifact, Consumer<String> messages) {
    var calibration = Estimate.of(plan, source, sequences, 0, 0);
    long most =
        groups.values().stream()
            .flatMap(List::stream)
            .mapToLong(SharedDictionaries::doubles)
            .max()
            .orElse(0);
    var estimate =
        new Estimate(calibration.memory() + most, calibration.disk(), calibration.time());
    messages.accept("dictionaries, learning excluded, " + estimate.summary());
    estimate.check(artifact);
  }

  /** Of float64 matrices that are learned from. */
  private static long doubles(Group group) {
    var first = group.entries().getFirst();
    long rows = (long) group.entries().size() * first.rows();
    long side = Math.min(rows, first.columns());
    return Double.BYTES
        * (8 * rows * first.columns() + 4 * side * side + 2L * first.columns() * first.columns());
  }

  /** Where an artifact's dictionaries stand until it is complete. */
  public static Path directoryFor(Path artifact) {
    return artifact.resolveSibling(artifact.getFileName() + ".dictionaries");
  }

  private static Path file(Path artifact, int last) {
    return directoryFor(artifact).toAbsolutePath().resolve(last + ".safetensors");
  }
}

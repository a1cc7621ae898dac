package ai.lathe.compress.database;

import ai.lathe.compress.allocation.LevelStore;
import ai.lathe.compress.calibration.BlockCalibration;
import ai.lathe.compress.journal.Fingerprint;
import ai.lathe.compress.journal.Journal;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.measure.Executor;
import ai.lathe.compress.plan.Plan;
import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.JsonFields;
import ai.lathe.format.safetensors.SafetensorsFile;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointView;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.model.architecture.Site;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.HiddenStates;
import ai.lathe.torch.Layerwise;
import ai.lathe.torch.TorchBlock;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Consumer;

/**
 * Builds a database block by block: the states of the original go through each block once, and all
 * levels of each layer are solved on the statistics of its input. A block's files are durable
 * before the journal says so.
 */
final class DatabaseBuilder {

  private static final String DATA = "data";
  private static final String LEVELS = "levels";
  private static final String BLOCK = "block";
  private static final String LAYERS = "layers";

  /** Steps of progress for each batch of a block. */
  private static final int STEPS = 4;

  private final Checkpoint source;
  private final List<int[]> sequences;
  private final DatabaseRequest request;
  private final Progress progress;
  private final Consumer<String> messages;

  DatabaseBuilder(
      Checkpoint source,
      List<int[]> sequences,
      DatabaseRequest request,
      Progress progress,
      Consumer<String> messages) {
    this.source = source;
    this.sequences = sequences;
    this.request = request;
    this.progress = progress;
    this.messages = messages;
  }

  /** Everything up to a database that can be opened. */
  void build() {
    if (sequences.isEmpty()) {
      throw new LatheException("a level database needs text to calibrate on");
    }
    var directory = request.directory();
    var journalFile = Journal.fileFor(directory.resolve(Manifest.FILE));
    if (request.force()) {
      OldFiles.delete(directory);
    }
    if (Files.exists(journalFile) && !request.resume()) {
      throw new LatheException(
          "an unfinished run of "
              + directory
              + " is there: --resume goes on with it, --force starts over");
    }
    var fingerprint = fingerprint();
    var before = existing(fingerprint);
    var names = before.map(Manifest::levels).orElse(List.of());
    var missing =
        request.levels().stream()
            .filter(spec -> !names.contains(spec.name()))
            // A level that stands before all others is never stored as one of them.
            .sorted(Comparator.comparing(spec -> !isReference(spec)))
            .toList();
    if (missing.isEmpty()) {
      messages.accept("note: " + directory + " holds all of these levels already");
      return;
    }
    var plans = LevelPlans.of(source, request.target(), missing);
    plans.notes().forEach(note -> messages.accept("note: " + note));
    var all = new ArrayList<>(LevelSpec.all(names));
    all.addAll(missing);
    var reference = reference(all);
    Preflight.of(source, plans, sequences).check(directory, messages);
    try (var journal = journal(journalFile, fingerprint, plans)) {
      var files = new BlockFiles(directory, request.target(), LevelDatabase.text(fingerprint));
      var made = run(plans, files, reference, journal);
      merged(before, fingerprint, missing, made).write(directory);
      journal.delete();
    }
  }

  private boolean isReference(LevelSpec spec) {
    return request.reference().equals(Optional.of(spec.name()));
  }

  /** What makes the blocks before one, where that is not the original. */
  private Optional<LevelPlans> reference(List<LevelSpec> levels) {
    return request
        .reference()
        .map(
            name -> {
              var spec = levels.stream().filter(level -> level.name().equals(name)).toList();
              if (spec.isEmpty()) {
                throw LatheException.unknown(
                    "reference level", name, levels.stream().map(LevelSpec::name).toList());
              }
              return LevelPlans.of(source, request.target(), spec);
            });
  }

  private Map<String, String> fingerprint() {
    var parts = new LinkedHashMap<String, String>();
    parts.put(Manifest.MODEL, Fingerprint.of(source));
    parts.put(DATA, Fingerprint.of(sequences));
    parts.put(Manifest.CALIBRATION, request.reference().orElse(LevelStore.ORIGINAL));
    return parts;
  }

  /** A finished database that levels are added to. */
  private Optional<Manifest> existing(Map<String, String> fingerprint) {
    var directory = request.directory();
    if (!Files.exists(directory.resolve(Manifest.FILE))) {
      return Optional.empty();
    }
    var manifest = Manifest.read(directory);
    new Fingerprint(fingerprint)
        .difference(new Fingerprint(manifest.fingerprint()))
        .ifPresent(
            name -> {
              throw new LatheException(
                  "%s was made with another %s: choose another directory, or replace it with --force"
                      .formatted(directory, name));
            });
    if (!manifest.target().name().equals(request.target().name())) {
      throw new LatheException(
          "%s is for %s, not for %s: choose another directory, or replace it with --force"
              .formatted(directory, manifest.target().name(), request.target().name()));
    }
    if (manifest.together() != request.together()) {
      throw new LatheException(
          "%s was made %s --per-matrix: give the same, or replace it with --force"
              .formatted(directory, manifest.together() ? "without" : "with"));
    }
    return Optional.of(manifest);
  }

  private Journal journal(Path file, Map<String, String> fingerprint, LevelPlans plans) {
    var parts = new LinkedHashMap<>(fingerprint);
    var texts = plans.specs().stream().map(spec -> plans.text(spec.name())).toList();
    parts.put(LEVELS, Fingerprint.ofText(String.join("\n", texts)));
    return request.resume()
        ? Journal.resume(file, new Fingerprint(parts))
        : Journal.start(file, new Fingerprint(parts));
  }

  private List<LayerLevels> run(
      LevelPlans plans, BlockFiles files, Optional<LevelPlans> reference, Journal journal) {
    var done = done(journal, plans);
    var fisher = fisher(plans, files);
    int blocks = source.config().blocks();
    try (var states = Executor.states(source, sequences, request.directory());
        // A block takes a pass over all batches or two, and its solving, which counts as more.
        var task =
            progress.start(
                "%d levels of %d layers in %d blocks"
                    .formatted(plans.specs().size(), plans.layers().size(), blocks),
                (long) blocks * states.batches() * STEPS)) {
      Layerwise.embed(source, states);
      for (int block = 0; block < blocks; block++) {
        task.note("block " + block);
        if (done.containsKey(block)) {
          advance(source, block, reference, files, states, task);
          task.advance((long) states.batches() * (STEPS - 1));
        } else {
          var statistics = statistics(plans, block, reference.isEmpty(), states, task);
          var layers = new BlockLevels(source, plans, files, block, statistics, fisher).solve();
          journal.append(step(block, layers));
          done.put(block, layers);
          task.advance((long) states.batches() * (STEPS - (reference.isEmpty() ? 1 : 2)));
          if (reference.isPresent()) {
            advance(source, block, reference, files, states, task);
          }
        }
        source.release(block);
      }
    }
    return done.values().stream().flatMap(List::stream).toList();
  }

  /** An encoder tells no tokens apart, and has no such gradients. */
  private Map<Address, float[]> fisher(LevelPlans plans, BlockFiles files) {
    return source.architecture().kind() == ModelKind.DECODER
        ? FisherFile.in(
            request.directory(), files.fingerprint(), source, plans.layers(), sequences, progress)
        : Map.of();
  }

  private Map<Site, LayerStatistics> statistics(
      LevelPlans plans, int block, boolean advance, HiddenStates states, Progress.Task task) {
    var required = plans.requires(block, source);
    try (var original = TorchBlock.load(source, block)) {
      return advance
          ? BlockCalibration.collectAndAdvance(original, states, required, task)
          : BlockCalibration.collect(original, states, required, task);
    }
  }

  /** Through the block as it is at the reference level, read back from its file. */
  private static void advance(
      Checkpoint source,
      int block,
      Optional<LevelPlans> reference,
      BlockFiles files,
      HiddenStates states,
      Progress.Task task) {
    if (reference.isEmpty()) {
      try (var original = TorchBlock.load(source, block)) {
        Layerwise.advance(original, states, task);
      }
      return;
    }
    var level = reference.get().specs().getFirst().name();
    try (var file = files.open(level, block);
        var compressed =
            TorchBlock.load(new AtLevel(source, reference.get(), files, file), block)) {
      Layerwise.advance(compressed, states, task);
    }
  }

  /** A model whose layers of one block stand in a file. */
  private static final class AtLevel extends CheckpointView {

    private final LevelPlans plans;
    private final BlockFiles files;
    private final SafetensorsFile file;

    AtLevel(Checkpoint source, LevelPlans plans, BlockFiles files, SafetensorsFile file) {
      super(source);
      this.plans = plans;
      this.files = files;
      this.file = file;
    }

    @Override
    public LinearWeight matrix(Address address) {
      return plans
          .entry(plans.specs().getFirst().name(), address)
          .map(entry -> files.read(file, entry))
          .orElseGet(() -> source.matrix(address));
    }
  }

  private static ObjectNode step(int block, List<LayerLevels> layers) {
    var step = Json.object().put(BLOCK, block);
    var all = step.putArray(LAYERS);
    layers.forEach(layer -> Manifest.write(all.addObject(), layer));
    return step;
  }

  private TreeMap<Integer, List<LayerLevels>> done(Journal journal, LevelPlans plans) {
    var names = plans.specs().stream().map(LevelSpec::name).toList();
    var done = new TreeMap<Integer, List<LayerLevels>>();
    for (JsonNode step : journal.steps()) {
      if (!(step instanceof ObjectNode object)) {
        throw new FormatException("the journal is damaged; leave --resume out and give --force");
      }
      var fields = new JsonFields(object, "journal");
      done.put(
          fields.requiredInteger(BLOCK),
          Manifest.objects(fields, LAYERS).stream()
              .map(layer -> Manifest.layer(layer, names))
              .toList());
    }
    return done;
  }

  /** With what was there before, layers in order of execution. */
  private Manifest merged(
      Optional<Manifest> before,
      Map<String, String> fingerprint,
      List<LevelSpec> added,
      List<LayerLevels> made) {
    var levels = new ArrayList<>(before.map(Manifest::levels).orElse(List.of()));
    added.forEach(spec -> levels.add(spec.name()));
    var byName = new LinkedHashMap<String, LayerLevels>();
    before.ifPresent(old -> old.layers().forEach(layer -> byName.put(layer.name(), layer)));
    made.forEach(layer -> byName.merge(layer.name(), layer, LayerLevels::plus));
    var ordered =
        LevelPlans.of(source, request.target(), LevelSpec.all(levels)).layers().stream()
            .map(Plan.Entry::name)
            .map(byName::get)
            .toList();
    return new Manifest(
        fingerprint,
        request.target(),
        request.together(),
        levels,
        ordered,
        before.map(Manifest::sensitivity).orElse(Map.of()));
  }

  /** What an earlier database left in its directory. */
  private static final class OldFiles {

    private OldFiles() {}

    /** Its own files alone: the directory may hold others. */
    static void delete(Path directory) {
      if (!Files.isDirectory(directory)) {
        return;
      }
      try (var files = Files.walk(directory, 2)) {
        for (var file : files.filter(OldFiles::ours).toList()) {
          Files.delete(file);
        }
      } catch (IOException e) {
        throw FormatException.io("cannot clear " + directory, e);
      }
    }

    private static boolean ours(Path file) {
      var name = file.getFileName().toString();
      return Files.isRegularFile(file)
          && (name.startsWith(Manifest.FILE)
              || name.startsWith(FisherFile.NAME)
              || name.matches("block-\\d{5,}\\.safetensors(\\.part)?"));
    }
  }
}

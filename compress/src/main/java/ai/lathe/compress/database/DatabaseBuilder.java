package ai.lathe.compress.database;

import ai.lathe.compress.calibration.BlockCalibration;
import ai.lathe.compress.journal.Fingerprint;
import ai.lathe.compress.journal.Journal;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.measure.Executor;
import ai.lathe.compress.plan.Plan;
import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.JsonFields;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Site;
import ai.lathe.tensor.LatheException;
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

  /** The part of a fingerprint that is the model's. */
  static final String MODEL = "model";

  private static final String DATA = "data";
  private static final String LEVELS = "levels";
  private static final String BLOCK = "block";
  private static final String LAYERS = "layers";

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
    var missing = request.levels().stream().filter(spec -> !names.contains(spec.name())).toList();
    if (missing.isEmpty()) {
      messages.accept("note: " + directory + " holds all of these levels already");
      return;
    }
    var plans = LevelPlans.of(source, request.target(), missing);
    plans.notes().forEach(note -> messages.accept("note: " + note));
    try (var journal = journal(journalFile, fingerprint, plans)) {
      var files = new BlockFiles(directory, request.target(), LevelDatabase.text(fingerprint));
      var made = run(plans, files, journal);
      merged(before, fingerprint, missing, made).write(directory);
      journal.delete();
    }
  }

  private Map<String, String> fingerprint() {
    var parts = new LinkedHashMap<String, String>();
    parts.put(MODEL, Fingerprint.of(source));
    parts.put(DATA, Fingerprint.of(sequences));
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

  private List<LayerLevels> run(LevelPlans plans, BlockFiles files, Journal journal) {
    var done = done(journal, plans);
    int blocks = source.config().blocks();
    try (var states =
            new HiddenStates(
                sequences,
                source.config().hidden(),
                Executor.BATCH_TOKENS,
                Executor.STATES_IN_MEMORY,
                request.directory());
        var task =
            progress.start(
                "levels of " + plans.layers().size() + " layers in " + blocks + " blocks",
                2L * blocks * states.batches())) {
      Layerwise.embed(source, states);
      for (int block = 0; block < blocks; block++) {
        task.note("block " + block);
        if (done.containsKey(block)) {
          try (var original = TorchBlock.load(source, block)) {
            Layerwise.advance(original, states, task);
          }
        } else {
          var statistics = statistics(plans, block, states, task);
          var layers = new BlockLevels(source, plans, files, block, statistics).solve();
          journal.append(step(block, layers));
          done.put(block, layers);
        }
        task.advance(states.batches());
        source.release(block);
      }
    }
    return done.values().stream().flatMap(List::stream).toList();
  }

  private Map<Site, LayerStatistics> statistics(
      LevelPlans plans, int block, HiddenStates states, Progress.Task task) {
    try (var original = TorchBlock.load(source, block)) {
      return BlockCalibration.collectAndAdvance(
          original, states, plans.requires(block, source), task);
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
              || name.matches("block-\\d{5,}\\.safetensors(\\.part)?"));
    }
  }
}

package ai.lathe.compress.database;

import ai.lathe.compress.allocation.Fitness;
import ai.lathe.compress.allocation.LevelStore;
import ai.lathe.compress.allocation.LevelTable;
import ai.lathe.compress.allocation.Measure;
import ai.lathe.compress.allocation.Option;
import ai.lathe.compress.allocation.Unit;
import ai.lathe.compress.journal.Fingerprint;
import ai.lathe.compress.plan.Plan;
import ai.lathe.compress.plan.Target;
import ai.lathe.format.FormatException;
import ai.lathe.format.safetensors.SafetensorsFile;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Progress;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;

/**
 * A finished level database, open for reading. Weights are mapped when they are asked for, and stay
 * valid until it is closed. May be read by several threads.
 */
public final class LevelDatabase implements LevelStore, AutoCloseable {

  private record FileKey(String level, int block) {}

  private final Checkpoint source;
  private final Manifest manifest;
  private final LevelPlans plans;
  private final BlockFiles files;
  private final LevelTable table;
  private final Map<Address, LayerLevels> layers = new HashMap<>();
  private final Map<FileKey, SafetensorsFile> open = new ConcurrentHashMap<>();

  private LevelDatabase(Checkpoint source, Path directory, Manifest manifest) {
    this.source = source;
    this.manifest = manifest;
    this.plans = LevelPlans.of(source, manifest.target(), LevelSpec.all(manifest.levels()));
    this.files = new BlockFiles(directory, manifest.target(), text(manifest.fingerprint()));
    var planned = plans.layers();
    var where = directory.resolve(Manifest.FILE).toString();
    if (planned.size() != manifest.layers().size()) {
      throw new FormatException(
          "%s lists %d layers, and its levels compress %d of this model"
              .formatted(where, manifest.layers().size(), planned.size()));
    }
    for (int i = 0; i < planned.size(); i++) {
      check(planned.get(i), manifest.layers().get(i), where);
      layers.put(planned.get(i).address(), manifest.layers().get(i));
    }
    this.table =
        new LevelTable(
            Fusion.of(planned, manifest.target(), manifest.together()).stream()
                .map(this::unit)
                .toList());
  }

  /**
   * Opens a database of this model.
   *
   * @param source what it was made from; stays open as long as the database
   * @throws LatheException where it is of another model, unfinished or damaged
   */
  public static LevelDatabase open(Path directory, Checkpoint source) {
    var manifest = Manifest.read(directory);
    if (!Fingerprint.of(source).equals(manifest.fingerprint().get(Manifest.MODEL))) {
      throw new LatheException(
          directory
              + " is a level database of another model; 'lathe search' makes one of this model");
    }
    return new LevelDatabase(source, directory, manifest);
  }

  /**
   * Builds what a database lacks, and opens it.
   *
   * @param sequences to calibrate on
   * @param messages gets what a person should read while waiting
   */
  public static LevelDatabase build(
      Checkpoint source,
      List<int[]> sequences,
      DatabaseRequest request,
      Progress progress,
      Consumer<String> messages) {
    new DatabaseBuilder(source, sequences, request, progress, messages).build();
    return open(request.directory(), source);
  }

  /**
   * Measures on the model what each unit alone loses at each level, as {@link Measure#KL}, and
   * keeps it in the database. What was measured before is not measured again.
   *
   * @param fitness of this database, over text that results are not judged by
   * @param tokens to measure on
   */
  public static void measure(
      Path directory, Checkpoint source, Fitness fitness, int tokens, Progress progress) {
    try (var database = open(directory, source)) {
      Sensitivity.measure(directory, database.manifest, database.table, fitness, tokens, progress);
    }
  }

  /** A fingerprint in one line. */
  static String text(Map<String, String> fingerprint) {
    return Fingerprint.ofText(new java.util.TreeMap<>(fingerprint).toString());
  }

  private void check(Plan.Entry layer, LayerLevels listed, String where) {
    if (!layer.name().equals(listed.name())) {
      throw new FormatException(
          "%s lists layer %s where %s should be".formatted(where, listed.name(), layer.name()));
    }
    for (var spec : plans.specs()) {
      var planned = plans.entry(spec.name(), layer.address());
      var made = listed.level(spec.name());
      if (planned.isPresent() != made.isPresent()) {
        throw new FormatException(
            "%s: %s %s level %s"
                .formatted(
                    where, layer.name(), made.isPresent() ? "cannot have" : "lacks", spec.name()));
      }
      if (made.isEmpty()) {
        continue;
      }
      var label = planned.get().encoding().label();
      if (!made.get().encoding().equals(label)
          || made.get().bytes() != plans.bytes(planned.get())) {
        throw new FormatException(
            "%s: %s of %s is %s of %d bytes, not %s of %d"
                .formatted(
                    where,
                    spec.name(),
                    layer.name(),
                    label,
                    plans.bytes(planned.get()),
                    made.get().encoding(),
                    made.get().bytes()));
      }
      var stored = plans.entry(made.get().stored(), layer.address());
      if (stored.isEmpty() || !stored.get().encoding().equals(planned.get().encoding())) {
        throw new FormatException(
            "%s: %s of %s cannot be stored as %s"
                .formatted(where, spec.name(), layer.name(), made.get().stored()));
      }
      var file = files.file(made.get().stored(), layer.address().block());
      if (!Files.isRegularFile(file)) {
        throw new FormatException("the level database lacks " + file);
      }
    }
  }

  private Unit unit(List<Plan.Entry> members) {
    var name = members.getFirst().name();
    var options = new ArrayList<Option>();
    for (var spec : plans.specs()) {
      option(name, members, spec).ifPresent(options::add);
    }
    options.sort(Comparator.comparingLong(Option::bytes));
    options.add(original(members, options));
    return new Unit(
        name,
        members.getFirst().address().block(),
        members.stream().map(Plan.Entry::address).toList(),
        members.stream().mapToLong(Plan.Entry::weights).sum(),
        options);
  }

  /** Empty where not all of the members can have the level. */
  private Optional<Option> option(String unit, List<Plan.Entry> members, LevelSpec spec) {
    long bytes = 0;
    double zeros = 0;
    long weights = 0;
    var losses = new EnumMap<Measure, Double>(Measure.class);
    var encoding = "";
    for (var member : members) {
      var made = layers.get(member.address()).level(spec.name());
      if (made.isEmpty()) {
        return Optional.empty();
      }
      encoding = encoding.isEmpty() ? made.get().encoding() : encoding;
      bytes += made.get().bytes();
      zeros += made.get().sparsity() * member.weights();
      weights += member.weights();
      made.get().losses().forEach((measure, loss) -> losses.merge(measure, loss, Double::sum));
    }
    var measured = manifest.sensitivity().getOrDefault(unit, Map.of()).get(spec.name());
    if (measured != null) {
      losses.put(Measure.KL, measured);
    }
    return Optional.of(
        new Option(spec.name(), encoding, bytes, zeros / weights, losses, spec.family()));
  }

  private Option original(List<Plan.Entry> members, List<Option> others) {
    var none = new EnumMap<Measure, Double>(Measure.class);
    for (var option : others) {
      // Outliers are a layer's, whatever its level.
      option
          .losses()
          .forEach((measure, loss) -> none.put(measure, measure == Measure.OUTLIERS ? loss : 0));
    }
    return new Option(
        ORIGINAL,
        members.getFirst().encoding().label(),
        members.stream().mapToLong(plans::bytes).sum(),
        0,
        none);
  }

  /** Kind of artifacts that it is for. */
  public Target target() {
    return manifest.target();
  }

  /** Levels in the order in which they were asked for; the original is not among them. */
  public List<LevelSpec> levels() {
    return plans.specs();
  }

  LevelPlans plans() {
    return plans;
  }

  Manifest manifest() {
    return manifest;
  }

  @Override
  public LevelTable table() {
    return table;
  }

  /**
   * How a layer at a level is planned: its encoding and what solved it; of the original, how an
   * artifact keeps it.
   */
  public Plan.Entry entry(Address address, String level) {
    var layer = layer(address);
    if (level.equals(ORIGINAL)) {
      return plans.layers().stream()
          .filter(entry -> entry.address().equals(address))
          .findFirst()
          .orElseThrow();
    }
    return plans
        .entry(level, address)
        .orElseThrow(
            () ->
                LatheException.unknown(
                    "level of " + layer.name(),
                    level,
                    layer.levels().stream().map(LayerLevels.Made::level).toList()));
  }

  @Override
  public LinearWeight weight(Address address, String level) {
    if (level.equals(ORIGINAL)) {
      return source.matrix(address);
    }
    var entry = entry(address, level);
    var stored = layer(address).level(level).orElseThrow().stored();
    var file =
        open.computeIfAbsent(
            new FileKey(stored, address.block()), key -> files.open(key.level(), key.block()));
    return files.read(file, entry);
  }

  @Override
  public void release(int block) {
    open.forEach(
        (key, file) -> {
          if (key.block() == block) {
            file.names().stream()
                .map(name -> file.tensor(name).data())
                .filter(MemorySegment::isMapped)
                .forEach(MemorySegment::unload);
          }
        });
  }

  private LayerLevels layer(Address address) {
    var layer = layers.get(address);
    if (layer == null) {
      throw new LatheException("the level database does not hold " + address);
    }
    return layer;
  }

  @Override
  public void close() {
    open.values().forEach(SafetensorsFile::close);
  }
}

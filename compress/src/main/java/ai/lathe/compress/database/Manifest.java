package ai.lathe.compress.database;

import ai.lathe.compress.allocation.Measure;
import ai.lathe.compress.database.LayerLevels.Made;
import ai.lathe.compress.plan.Target;
import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.JsonFields;
import ai.lathe.format.quantized.Quantizations;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The file {@code database.json}: what a database holds and what it was made from.
 *
 * @param fingerprint of what decides the bytes of all levels: model, data, calibration
 * @param together whether layers that engines run as one product have one level
 * @param levels by name, in the order in which they were asked for
 * @param sensitivity by unit and level, in nats; empty where none was measured
 */
record Manifest(
    Map<String, String> fingerprint,
    Target target,
    boolean together,
    List<String> levels,
    List<LayerLevels> layers,
    Map<String, Map<String, Double>> sensitivity) {

  static final String FILE = "database.json";

  /** The part of the fingerprint that is the model's. */
  static final String MODEL = "model";

  /** The part that tells what calibration saw. */
  static final String CALIBRATION = "calibration";

  private static final String FORMAT = "lathe-levels";
  private static final int VERSION = 1;

  /** Enough for a mixture of hundreds of experts; what a file claims beyond is not read. */
  private static final int MOST_LEVELS = 1000;

  /** The level of the blocks before one where it was calibrated. */
  String calibration() {
    return fingerprint.get(CALIBRATION);
  }

  Manifest withSensitivity(Map<String, Map<String, Double>> measured) {
    return new Manifest(fingerprint, target, together, levels, layers, measured);
  }

  void write(Path directory) {
    var json = Json.object();
    json.put("format", FORMAT).put("version", VERSION);
    var parts = json.putObject("fingerprint");
    fingerprint.forEach(parts::put);
    json.put("target", target.name()).put("together", together);
    var names = json.putArray("levels");
    levels.forEach(names::add);
    var all = json.putArray("layers");
    layers.forEach(layer -> write(all.addObject(), layer));
    var units = json.putObject("sensitivity");
    sensitivity.forEach(
        (unit, losses) -> {
          var node = units.putObject(unit);
          losses.forEach(node::put);
        });
    Json.write(directory.resolve(FILE), json);
  }

  static void write(ObjectNode node, LayerLevels layer) {
    node.put("name", layer.name());
    var made = node.putArray("levels");
    layer.levels().forEach(level -> write(made.addObject(), level));
  }

  private static void write(ObjectNode node, Made made) {
    node.put("level", made.level()).put("encoding", made.encoding()).put("bytes", made.bytes());
    made.sameAs().ifPresent(other -> node.put("same_as", other));
    node.put("sparsity", made.sparsity());
    var losses = node.putObject("losses");
    new EnumMap<>(made.losses()).forEach((measure, loss) -> losses.put(measure.name(), loss));
    node.put("seconds", made.seconds());
    var fallbacks = node.putArray("fallbacks");
    made.fallbacks().forEach(fallbacks::add);
  }

  /** Throws {@link FormatException} where the file is not what it should be. */
  static Manifest read(Path directory) {
    var file = directory.resolve(FILE);
    if (!Files.isRegularFile(file)) {
      throw new FormatException(
          directory
              + " is no level database: it has no "
              + FILE
              + "; 'lathe search' makes one, and finishes one with --resume");
    }
    var fields = new JsonFields(Json.read(file), file.toString());
    if (!fields.requiredText("format").equals(FORMAT)) {
      throw fields.wrong("format", "'" + FORMAT + "'");
    }
    if (fields.requiredInteger("version") != VERSION) {
      throw fields.wrong("version", VERSION + ", the version that this Lathe reads");
    }
    var fingerprint = new LinkedHashMap<String, String>();
    var parts = required(fields, "fingerprint");
    parts.object().fieldNames().forEachRemaining(n -> fingerprint.put(n, parts.requiredText(n)));
    for (var part : List.of(MODEL, CALIBRATION)) {
      parts.requiredText(part);
    }
    var levels = fields.texts("levels");
    if (levels.isEmpty() || levels.size() > MOST_LEVELS) {
      throw fields.wrong("levels", "an array of 1 to " + MOST_LEVELS + " names");
    }
    var layers = new ArrayList<LayerLevels>();
    var names = new HashSet<String>();
    for (var layer : objects(fields, "layers")) {
      layers.add(layer(layer, levels));
      if (!names.add(layers.getLast().name())) {
        throw new FormatException(file + ": layer " + layers.getLast().name() + " stands twice");
      }
    }
    return new Manifest(
        fingerprint,
        target(fields),
        fields.flag("together").orElseThrow(() -> fields.wrong("together", "true or false")),
        levels,
        List.copyOf(layers),
        sensitivity(fields));
  }

  private static Target target(JsonFields fields) {
    var name = fields.requiredText("target");
    return name.equals(Target.GGUF.name())
        ? Target.GGUF
        : new Target.Directory(Quantizations.named(name));
  }

  /** The inverse of {@link #write(ObjectNode, LayerLevels)}. */
  static LayerLevels layer(JsonFields fields, List<String> levels) {
    var made = new ArrayList<Made>();
    var seen = new HashSet<String>();
    for (var node : objects(fields, "levels")) {
      var level = made(node);
      if (!levels.contains(level.level()) || !seen.add(level.level())) {
        throw node.wrong("level", "one of the database's levels, each once");
      }
      if (!seen.contains(level.stored())) {
        throw node.wrong("same_as", "a level that stands before it");
      }
      made.add(level);
    }
    return new LayerLevels(fields.requiredText("name"), made);
  }

  private static Made made(JsonFields fields) {
    var bytes = fields.get("bytes");
    if (bytes.isEmpty() || !bytes.get().canConvertToLong() || bytes.get().longValue() < 1) {
      throw fields.wrong("bytes", "a whole number greater than 0");
    }
    var losses = new EnumMap<Measure, Double>(Measure.class);
    var given = required(fields, "losses");
    given
        .object()
        .fieldNames()
        .forEachRemaining(name -> losses.put(measure(given, name), loss(given, name)));
    return new Made(
        fields.requiredText("level"),
        fields.requiredText("encoding"),
        bytes.get().longValue(),
        fields.text("same_as"),
        Math.min(1, loss(fields, "sparsity")),
        losses,
        loss(fields, "seconds"),
        fields.texts("fallbacks"));
  }

  private static Measure measure(JsonFields fields, String name) {
    return Arrays.stream(Measure.values())
        .filter(measure -> measure.name().equals(name))
        .findFirst()
        .orElseThrow(() -> fields.wrong(name, "under one of " + Arrays.toString(Measure.values())));
  }

  private static double loss(JsonFields fields, String name) {
    double value =
        fields.get(name).filter(JsonNode::isNumber).map(JsonNode::doubleValue).orElse(Double.NaN);
    if (!(value >= 0 && value < Double.POSITIVE_INFINITY)) {
      throw fields.wrong(name, "a number, 0 or greater");
    }
    return value;
  }

  private static Map<String, Map<String, Double>> sensitivity(JsonFields fields) {
    var all = new LinkedHashMap<String, Map<String, Double>>();
    fields
        .object("sensitivity")
        .ifPresent(
            units ->
                units
                    .object()
                    .fieldNames()
                    .forEachRemaining(
                        unit -> {
                          var levels = required(units, unit);
                          var losses = new LinkedHashMap<String, Double>();
                          levels
                              .object()
                              .fieldNames()
                              .forEachRemaining(level -> losses.put(level, loss(levels, level)));
                          all.put(unit, losses);
                        }));
    return all;
  }

  private static JsonFields required(JsonFields fields, String name) {
    return fields.object(name).orElseThrow(() -> fields.wrong(name, "an object"));
  }

  static List<JsonFields> objects(JsonFields fields, String name) {
    Optional<JsonNode> array = fields.get(name);
    if (array.isEmpty() || !(array.get() instanceof ArrayNode elements) || elements.isEmpty()) {
      throw fields.wrong(name, "an array of objects");
    }
    var objects = new ArrayList<JsonFields>();
    for (var element : elements) {
      if (!(element instanceof ObjectNode object)) {
        throw fields.wrong(name, "an array of objects");
      }
      objects.add(new JsonFields(object, fields.where() + "." + name + "[" + objects.size() + "]"));
    }
    return objects;
  }
}

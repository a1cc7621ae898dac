package ai.lathe.model.config;

import ai.lathe.format.FormatException;
import ai.lathe.format.JsonFields;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.ModelConfig.Rope;
import ai.lathe.model.ModelConfig.Rope.Scaling;
import ai.lathe.model.ModelConfig.Window;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/** Rotary positions and sliding windows in {@code config.json}. */
final class Positions {

  private static final String FULL = "full_attention";
  private static final String SLIDING = "sliding_attention";
  private static final List<String> ROPE_TYPES = List.of("default", "linear", "llama3", "longrope");

  private final JsonFields fields;
  private final Architecture architecture;
  private final int headSize;
  private final int context;

  Positions(JsonFields fields, Architecture architecture, int headSize, int context) {
    this.fields = fields;
    this.architecture = architecture;
    this.headSize = headSize;
    this.context = context;
  }

  /** Null where positions are learned. */
  Rope rope() {
    return architecture.has(Role.POSITION_EMBEDDING) ? null : rope(FULL, theta());
  }

  private double theta() {
    return fields.positive("rope_theta", 10_000);
  }

  /** Of blocks with a window. */
  private Rope windowRope() {
    if (architecture.windows().theta().isEmpty()) {
      return rope();
    }
    double theta =
        fields.positive("rope_local_base_freq", architecture.windows().theta().getAsDouble());
    return layered() ? rope(SLIDING, theta) : new Rope(theta, headSize, new Scaling.None());
  }

  /** Whether kinds of layers have each their own parameters. */
  private boolean layered() {
    return fields.object("rope_parameters").stream()
        .flatMap(parameters -> parameters.object().properties().stream())
        .anyMatch(field -> field.getValue().isObject());
  }

  /** Both the older {@code rope_theta} with {@code rope_scaling} and {@code rope_parameters}. */
  private Rope rope(String layers, double outerTheta) {
    var parameters = fields.object("rope_parameters");
    if (layered()) {
      if (architecture.windows().theta().isEmpty()) {
        throw new FormatException(
            parameters.get().where() + ": other positions for other layers are not supported");
      }
      parameters = parameters.get().object(layers);
    }
    var scaling = parameters.or(() -> fields.object("rope_scaling"));
    double theta = parameters.map(p -> p.positive("rope_theta", outerTheta)).orElse(outerTheta);
    int dimensions = dimensions(scaling);
    return new Rope(
        theta, dimensions, scaling.map(s -> scaling(s, dimensions)).orElse(new Scaling.None()));
  }

  /** How many features of a head are rotated. */
  private int dimensions(Optional<JsonFields> scaling) {
    var key = "partial_rotary_factor";
    var holder = scaling.filter(s -> s.has(key)).orElse(fields);
    double factor = holder.positive(key, 1);
    if (factor != 1 && !architecture.dialect().reads().contains(key)) {
      throw new FormatException(
          holder.where()
              + ": '"
              + key
              + "' = "
              + factor
              + " is not supported for "
              + architecture.name()
              + ", which rotates whole heads");
    }
    int dimensions = (int) Math.min(factor * headSize, Limits.WIDTH);
    if (dimensions < 1 || dimensions > headSize) {
      throw holder.wrong(key, "the rotated part of a head of " + headSize + " features");
    }
    return dimensions;
  }

  private Scaling scaling(JsonFields scaling, int dimensions) {
    var type = scaling.text("rope_type").or(() -> scaling.text("type")).orElse("default");
    return switch (type) {
      case "default" -> new Scaling.None();
      case "linear" -> new Scaling.Linear(scaling.positive("factor"));
      case "llama3" ->
          new Scaling.Llama3(
              scaling.positive("factor"),
              scaling.positive("low_freq_factor"),
              scaling.positive("high_freq_factor"),
              originalContext(scaling));
      case "longrope", "su" -> {
        int original = originalContext(scaling);
        double factor = scaling.positive("factor", (double) context / original);
        yield new Scaling.LongRope(
            scaling.positives("short_factor", dimensions / 2),
            scaling.positives("long_factor", dimensions / 2),
            original,
            scaling.positive("attention_factor", stretch(factor, original)));
      }
      default ->
          throw new FormatException(
              scaling.where()
                  + ": "
                  + LatheException.unknown("rope type", type, ROPE_TYPES).getMessage());
    };
  }

  /** The paper's, which keeps the entropy of attention as it was. */
  private static double stretch(double factor, int originalContext) {
    return factor <= 1 || originalContext <= 1
        ? 1
        : Math.sqrt(1 + Math.log(factor) / Math.log(originalContext));
  }

  private int originalContext(JsonFields scaling) {
    var key = "original_max_position_embeddings";
    return scaling.count(key, Limits.POSITIONS, fields.count(key, Limits.POSITIONS, context));
  }

  /** Empty where no block has a window. */
  Optional<Window> window(int blocks) {
    var positions = fields.optionalCount("sliding_window", Limits.POSITIONS);
    // Qwen switches it off with a field of its own.
    if (positions.isEmpty() || !fields.flag("use_sliding_window", true)) {
      return Optional.empty();
    }
    var windowed = windowed(blocks);
    return windowed.contains(true)
        ? Optional.of(new Window(positions.getAsInt(), windowed, windowRope()))
        : Optional.empty();
  }

  /** Block by block. */
  private List<Boolean> windowed(int blocks) {
    var kinds = fields.get("layer_types").filter(JsonNode::isArray);
    var windowed = new ArrayList<Boolean>();
    if (kinds.isPresent()) {
      kinds.get().forEach(kind -> windowed.add(kind.asText().equals(SLIDING)));
      if (windowed.size() != blocks) {
        throw fields.wrong("layer_types", "an array of one kind for each of " + blocks + " blocks");
      }
      return Collections.unmodifiableList(windowed);
    }
    // Qwen: the blocks below this number see everything.
    int full =
        fields.has("use_sliding_window")
            ? fields.count("max_window_layers", Integer.MAX_VALUE, blocks)
            : 0;
    var pattern =
        architecture.dialect().reads().contains("sliding_window_pattern")
            ? fields.optionalCount("sliding_window_pattern", Limits.BLOCKS)
            : OptionalInt.empty();
    var windows =
        pattern.isPresent()
            ? new Architecture.Windows(pattern.getAsInt(), architecture.windows().theta())
            : architecture.windows();
    for (int block = 0; block < blocks; block++) {
      windowed.add(block >= full && windows.in(block));
    }
    return Collections.unmodifiableList(windowed);
  }

  /** Adds what {@link #rope} and {@link #window} read. */
  static void write(ModelConfig config, Architecture architecture, ObjectNode json) {
    var dialect = architecture.dialect();
    config
        .window()
        .ifPresent(
            window -> {
              json.put("sliding_window", window.positions());
              if (dialect.reads().contains("use_sliding_window")) {
                json.put("use_sliding_window", true);
              }
              if (window.blocks().contains(false)) {
                var kinds = json.putArray("layer_types");
                window.blocks().forEach(in -> kinds.add(in ? SLIDING : FULL));
              }
              if (architecture.windows().theta().isPresent()) {
                json.put("rope_local_base_freq", window.rope().theta());
              }
            });
    if (config.window().isEmpty() && dialect.defaults().containsKey("sliding_window")) {
      json.putNull("sliding_window");
    }
    if (config.rope() != null) {
      write(config.rope(), config, architecture, json);
    }
  }

  private static void write(
      Rope rope, ModelConfig config, Architecture architecture, ObjectNode json) {
    var dialect = architecture.dialect();
    json.put(dialect.name("rope_theta"), rope.theta());
    if (dialect.reads().contains("partial_rotary_factor")) {
      json.put(
          dialect.name("partial_rotary_factor"), (double) rope.dimensions() / config.headSize());
    } else if (rope.dimensions() != config.headSize()) {
      throw new LatheException(
          "config.json has no way to say that a "
              + architecture.name()
              + " rotates "
              + rope.dimensions()
              + " of the "
              + config.headSize()
              + " features of a head");
    }
    switch (rope.scaling()) {
      case Scaling.None() -> {}
      case Scaling.Linear(double factor) ->
          json.putObject("rope_scaling").put("rope_type", "linear").put("factor", factor);
      case Scaling.Llama3(double factor, double low, double high, int original) ->
          json.putObject("rope_scaling")
              .put("rope_type", "llama3")
              .put("factor", factor)
              .put("low_freq_factor", low)
              .put("high_freq_factor", high)
              .put("original_max_position_embeddings", original);
      case Scaling.LongRope longRope -> {
        // Older releases of transformers accept these three fields and no more.
        var scaling = json.putObject("rope_scaling").put("type", "longrope");
        longRope.shortDivisors().forEach(scaling.putArray("short_factor")::add);
        longRope.longDivisors().forEach(scaling.putArray("long_factor")::add);
        int original = longRope.originalContext();
        json.put("original_max_position_embeddings", original);
        if (Math.abs(longRope.stretch() - stretch((double) config.context() / original, original))
            > 1e-6) {
          scaling.put("attention_factor", longRope.stretch());
        }
      }
      case Scaling.PerFrequency _ ->
          throw new LatheException(
              "config.json has no name for this model's rotary frequencies, which its GGUF lists one"
                  + " by one; it can be written as GGUF only");
    }
  }
}

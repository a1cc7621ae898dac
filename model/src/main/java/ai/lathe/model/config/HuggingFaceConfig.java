package ai.lathe.model.config;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.ModelConfig.Rope;
import ai.lathe.model.ModelConfig.Rope.Scaling;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.model.architecture.Architectures;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/** {@code config.json} of Hugging Face transformers, read and written. */
public final class HuggingFaceConfig {

  /** The element types that transformers calls by these names. */
  private static final Map<String, DType> DTYPES =
      Map.of(
          "float32", DType.F32,
          "float16", DType.F16,
          "bfloat16", DType.BF16,
          "float64", DType.F64);

  /**
   * Settings that change what is computed in ways that no architecture here has, each with the
   * values that change nothing. Absent, null and false are always fine.
   */
  private static final Map<String, Set<String>> NEUTRAL =
      Map.ofEntries(
          Map.entry("attn_logit_softcapping", Set.of()),
          Map.entry("final_logit_softcapping", Set.of()),
          Map.entry("query_pre_attn_scalar", Set.of()),
          Map.entry("is_decoder", Set.of()),
          Map.entry("is_encoder_decoder", Set.of()),
          Map.entry("add_cross_attention", Set.of()),
          Map.entry("position_embedding_type", Set.of("absolute")),
          Map.entry("partial_rotary_factor", Set.of("1", "1.0")),
          Map.entry("embedding_multiplier", Set.of("1", "1.0")),
          Map.entry("residual_multiplier", Set.of("1", "1.0")),
          Map.entry("logits_scaling", Set.of("1", "1.0")),
          Map.entry("no_rope_layers", Set.of("[]")));

  private HuggingFaceConfig() {}

  /** Which architecture it describes, by {@code model_type}, else by class. */
  public static Architecture architecture(ObjectNode config, String where) {
    var fields = new Fields(config, where);
    var type = fields.text("model_type");
    try {
      if (type.isPresent()) {
        return Architectures.forModelType(type.get());
      }
      var classes = fields.get("architectures");
      if (classes.isPresent() && classes.get().isArray() && classes.get().path(0).isTextual()) {
        return Architectures.forClass(classes.get().get(0).textValue());
      }
    } catch (LatheException e) {
      throw new FormatException(where + ": " + e.getMessage(), e);
    }
    throw new FormatException(where + ": neither 'model_type' nor 'architectures' is there");
  }

  /**
   * Reads it.
   *
   * @param stored element type of the weights, for a config that does not state it
   * @param hasOutput whether the weights hold an output matrix, for a config that does not say
   *     whether it is tied
   */
  public static ModelConfig read(
      ObjectNode config, Architecture architecture, DType stored, boolean hasOutput, String where) {
    var fields = new Fields(config, where);
    refuseOtherFunctions(fields, architecture);
    int hidden = fields.count("hidden_size", Limits.WIDTH);
    int heads = fields.count("num_attention_heads", Limits.HEADS);
    int keyValueHeads = fields.count("num_key_value_heads", Limits.HEADS, heads);
    var headSize = fields.optionalCount("head_dim", Limits.WIDTH);
    if (headSize.isEmpty() && hidden % heads != 0) {
      throw new FormatException(
          where + ": hidden_size " + hidden + " is not a multiple of the " + heads + " heads");
    }
    boolean decoder = architecture.kind() == ModelKind.DECODER;
    int size = headSize.orElse(hidden / heads);
    int context = fields.count("max_position_embeddings", Limits.POSITIONS, decoder ? 2048 : 512);
    int blocks = fields.count("num_hidden_layers", Limits.BLOCKS);
    var read =
        new ModelConfig(
            hidden,
            blocks,
            heads,
            keyValueHeads,
            size,
            fields.count("intermediate_size", Limits.WIDTH),
            HuggingFaceExperts.read(fields, architecture, blocks),
            fields.count("vocab_size", Limits.VOCABULARY),
            context,
            fields.positive(architecture.norm().huggingFaceEpsilon(), decoder ? 1e-6 : 1e-12),
            decoder ? rope(fields, size, context) : null,
            architecture.has(Role.OUTPUT) && fields.flag("tie_word_embeddings", !hasOutput),
            architecture.has(Role.TOKEN_TYPE_EMBEDDING)
                ? fields.count("type_vocab_size", Limits.WIDTH, 2)
                : 0,
            slidingWindow(fields, blocks),
            dtype(fields).orElse(stored),
            fields.token("bos_token_id"),
            fields.token("eos_token_id"),
            config);
    return Limits.check(read, where);
  }

  private static void refuseOtherFunctions(Fields fields, Architecture architecture) {
    var activation = fields.text("hidden_act");
    var ours = architecture.activation().huggingFace();
    if (activation.isPresent() && !ours.contains(activation.get())) {
      throw new FormatException(
          fields.where()
              + ": hidden_act '"
              + activation.get()
              + "' is not supported for "
              + architecture.name()
              + ", whose feed-forward uses "
              + String.join(" or ", ours));
    }
    NEUTRAL.forEach(
        (key, neutral) -> {
          var value = fields.get(key);
          if (value.isPresent() && !isNeutral(value.get(), neutral)) {
            throw new FormatException(
                fields.where()
                    + ": '"
                    + key
                    + "' = "
                    + value.get()
                    + " is not supported; the model would compute another function");
          }
        });
  }

  private static boolean isNeutral(JsonNode value, Set<String> neutral) {
    return value.isBoolean()
        ? !value.booleanValue()
        : neutral.contains(value.isContainerNode() ? value.toString() : value.asText());
  }

  /** Both the older {@code rope_theta} with {@code rope_scaling} and {@code rope_parameters}. */
  private static Rope rope(Fields fields, int headSize, int context) {
    var parameters = fields.object("rope_parameters");
    var scaling = parameters.or(() -> fields.object("rope_scaling"));
    double theta = fields.positive("rope_theta", 10_000);
    if (parameters.isPresent()) {
      theta = parameters.get().positive("rope_theta", theta);
    }
    if (scaling.isEmpty()) {
      return new Rope(theta, headSize, new Scaling.None());
    }
    return new Rope(theta, headSize, scaling(scaling.get(), context));
  }

  private static Scaling scaling(Fields scaling, int context) {
    if (scaling.node().properties().stream().anyMatch(field -> field.getValue().isObject())) {
      throw new FormatException(
          scaling.where() + ": other positions for other layers are not supported");
    }
    if (scaling.has("partial_rotary_factor") && scaling.positive("partial_rotary_factor") != 1) {
      throw new FormatException(
          scaling.where() + ": heads that are rotated in part are not supported");
    }
    var type = scaling.text("rope_type").or(() -> scaling.text("type")).orElse("default");
    return switch (type) {
      case "default" -> new Scaling.None();
      case "linear" -> new Scaling.Linear(scaling.positive("factor"));
      case "llama3" ->
          new Scaling.Llama3(
              scaling.positive("factor"),
              scaling.positive("low_freq_factor"),
              scaling.positive("high_freq_factor"),
              scaling.count("original_max_position_embeddings", Limits.POSITIONS, context));
      default ->
          throw new FormatException(
              scaling.where()
                  + ": "
                  + LatheException.unknown(
                          "rope type", type, List.of("default", "linear", "llama3"))
                      .getMessage());
    };
  }

  /** A window that all blocks share; Qwen switches it off with a field of its own. */
  private static OptionalInt slidingWindow(Fields fields, int blocks) {
    var kinds = fields.get("layer_types").filter(JsonNode::isArray);
    var window = fields.optionalCount("sliding_window", Limits.POSITIONS);
    if (window.isEmpty() || !fields.flag("use_sliding_window", true)) {
      return OptionalInt.empty();
    }
    int sliding = blocks;
    if (kinds.isPresent()) {
      sliding = 0;
      for (var kind : kinds.get()) {
        sliding += kind.asText().equals("sliding_attention") ? 1 : 0;
      }
    } else if (fields.has("use_sliding_window") && fields.has("max_window_layers")) {
      // Qwen: the blocks below this number see everything.
      int full = fields.count("max_window_layers", Integer.MAX_VALUE, blocks);
      sliding = Math.max(0, blocks - full);
    }
    if (sliding != 0 && sliding != blocks) {
      throw new FormatException(
          fields.where()
              + ": a sliding window in "
              + sliding
              + " of "
              + blocks
              + " blocks is not supported, only in all or none");
    }
    return sliding == 0 ? OptionalInt.empty() : window;
  }

  private static Optional<DType> dtype(Fields fields) {
    var name = fields.text("dtype").or(() -> fields.text("torch_dtype"));
    if (name.isEmpty() || name.get().equals("auto")) {
      return Optional.empty();
    }
    var plain = name.get().replaceFirst("^torch\\.", "");
    if (!DTYPES.containsKey(plain)) {
      throw new FormatException(
          fields.where()
              + ": "
              + LatheException.unknown("dtype", plain, DTYPES.keySet()).getMessage());
    }
    return Optional.of(DTYPES.get(plain));
  }

  /** A copy of the {@code config.json} that describes a model to other tools. */
  public static ObjectNode of(ModelConfig config, Architecture architecture) {
    return config.huggingFace() == null
        ? write(config, architecture)
        : config.huggingFace().deepCopy();
  }

  /** The {@code config.json} of a model that came without one. */
  static ObjectNode write(ModelConfig config, Architecture architecture) {
    var json = Json.object();
    json.putArray("architectures").add(architecture.classes().getFirst());
    json.put("model_type", architecture.modelTypes().getFirst());
    json.put("hidden_size", config.hidden());
    json.put("intermediate_size", config.feedForward());
    json.put("num_hidden_layers", config.blocks());
    json.put("num_attention_heads", config.heads());
    json.put("hidden_act", architecture.activation().huggingFace().getFirst());
    config.experts().ifPresent(experts -> HuggingFaceExperts.write(experts, architecture, json));
    json.put("vocab_size", config.vocabulary());
    json.put("max_position_embeddings", config.context());
    json.put(architecture.norm().huggingFaceEpsilon(), config.normEpsilon());
    if (architecture.kind() == ModelKind.DECODER) {
      json.put("num_key_value_heads", config.keyValueHeads());
      json.put("head_dim", config.headSize());
      json.put("tie_word_embeddings", config.tiedEmbeddings());
      writeRope(config.rope(), json);
    }
    if (architecture.has(Role.TOKEN_TYPE_EMBEDDING)) {
      json.put("type_vocab_size", config.tokenTypes());
    }
    config.slidingWindow().ifPresent(window -> json.put("sliding_window", window));
    config.beginToken().ifPresent(token -> json.put("bos_token_id", token));
    config.endToken().ifPresent(token -> json.put("eos_token_id", token));
    json.put("torch_dtype", name(config.dtype()));
    return json;
  }

  private static void writeRope(Rope rope, ObjectNode json) {
    json.put("rope_theta", rope.theta());
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
      case Scaling.PerFrequency scaling ->
          throw new LatheException(
              "config.json has no name for this model's rotary frequencies, which its GGUF lists one"
                  + " by one; it can be written as GGUF only");
    }
  }

  /** What transformers calls an element type. */
  public static String name(DType dtype) {
    return DTYPES.entrySet().stream()
        .filter(entry -> entry.getValue() == dtype)
        .map(Map.Entry::getKey)
        .findFirst()
        .orElse("float32");
  }
}

package ai.lathe.model.config;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.JsonFields;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.ModelConfig.Arithmetic;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Architecture.Activation;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.model.architecture.Architectures;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
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
          Map.entry("use_bidirectional_attention", Set.of()),
          Map.entry("no_rope_layers", Set.of("[]")));

  /** Fields that a file of several parts may state once for all. */
  private static final List<String> SHARED =
      List.of(
          "dtype",
          "torch_dtype",
          "bos_token_id",
          "eos_token_id",
          "tie_word_embeddings",
          "vocab_size");

  private HuggingFaceConfig() {}

  /** Which architecture it describes, by {@code model_type}, else by class. */
  public static Architecture architecture(ObjectNode config, String where) {
    var fields = new JsonFields(config, where);
    var type = fields.text("model_type");
    try {
      if (type.isPresent()) {
        return choose(Architectures.forModelType(type.get()), fields);
      }
      var classes = fields.get("architectures");
      if (classes.isPresent() && classes.get().isArray() && classes.get().path(0).isTextual()) {
        return choose(Architectures.forClass(classes.get().get(0).textValue()), fields);
      }
    } catch (LatheException e) {
      throw new FormatException(where + ": " + e.getMessage(), e);
    }
    throw new FormatException(where + ": neither 'model_type' nor 'architectures' is there");
  }

  private static Architecture choose(Architecture found, JsonFields fields) {
    return Architectures.choose(
        found, variant -> fields.flag(variant.huggingFace(), variant.otherwise()));
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
    var own = flat(config, architecture);
    var dialect = architecture.dialect();
    var complete = own.deepCopy();
    dialect.defaults().forEach((key, value) -> complete.putIfAbsent(key, value));
    var fields = new JsonFields(complete, where, dialect.names());
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
    var positions = new Positions(fields, architecture, size, context);
    var read =
        new ModelConfig(
            hidden,
            blocks,
            heads,
            keyValueHeads,
            size,
            feedForward(fields, architecture, hidden),
            HuggingFaceExperts.read(fields, architecture, blocks),
            fields.count("vocab_size", Limits.VOCABULARY),
            context,
            fields.positive(architecture.norm().huggingFaceEpsilon(), decoder ? 1e-6 : 1e-12),
            positions.rope(),
            architecture.has(Role.OUTPUT) && fields.flag("tie_word_embeddings", !hasOutput),
            architecture.has(Role.TOKEN_TYPE_EMBEDDING)
                ? fields.count("type_vocab_size", Limits.WIDTH, 2)
                : 0,
            positions.window(blocks),
            arithmetic(fields, architecture, size),
            dtype(fields).orElse(stored),
            token(fields, "bos_token_id"),
            token(fields, "eos_token_id"),
            own,
            List.of());
    return HuggingFaceWidths.read(fields, Limits.check(read, where), architecture);
  }

  /** The text model's fields, where they are a part of the file's. */
  private static ObjectNode flat(ObjectNode config, Architecture architecture) {
    var nested = architecture.dialect().nested();
    if (nested == null || !(config.get(nested) instanceof ObjectNode inner)) {
      return config;
    }
    var text = inner.deepCopy();
    for (var key : SHARED) {
      if (!text.hasNonNull(key) && config.hasNonNull(key)) {
        text.set(key, config.get(key));
      }
    }
    text.putArray("architectures").add(architecture.classes().getFirst());
    text.put("model_type", architecture.modelTypes().getFirst());
    return text;
  }

  /** Without a gate four times as wide as the model, unless it says otherwise. */
  private static int feedForward(JsonFields fields, Architecture architecture, int hidden) {
    return architecture.gated()
        ? fields.count("intermediate_size", Limits.WIDTH)
        : fields.count("intermediate_size", Limits.WIDTH, Math.min(4 * hidden, Limits.WIDTH));
  }

  private static Arithmetic arithmetic(JsonFields fields, Architecture architecture, int headSize) {
    var activation =
        fields
            .text("hidden_act")
            .map(name -> activation(name, fields))
            .orElse(architecture.activation());
    return new Arithmetic(
        activation,
        1 / Math.sqrt(fields.positive("query_pre_attn_scalar", headSize)),
        cap(fields, "attn_logit_softcapping"),
        cap(fields, "final_logit_softcapping"));
  }

  private static Activation activation(String name, JsonFields fields) {
    return Arrays.stream(Activation.values())
        .filter(known -> known.huggingFace().contains(name))
        .findFirst()
        .orElseThrow(
            () ->
                new FormatException(
                    fields.where()
                        + ": "
                        + LatheException.unknown(
                                "activation",
                                name,
                                Arrays.stream(Activation.values())
                                    .flatMap(known -> known.huggingFace().stream())
                                    .toList())
                            .getMessage()));
  }

  private static OptionalDouble cap(JsonFields fields, String key) {
    return fields.has(key) ? OptionalDouble.of(fields.positive(key)) : OptionalDouble.empty();
  }

  /** A token id, or the first of a list of them; negative ones count as absent. */
  private static OptionalInt token(JsonFields fields, String key) {
    var value = fields.get(key).map(v -> v.isArray() ? v.path(0) : v);
    if (value.isEmpty() || value.get().isMissingNode()) {
      return OptionalInt.empty();
    }
    if (!value.get().isIntegralNumber()
        || !value.get().canConvertToInt()
        || value.get().intValue() < -1) {
      throw fields.wrong(key, "a token id");
    }
    int token = value.get().intValue();
    return token < 0 ? OptionalInt.empty() : OptionalInt.of(token);
  }

  private static void refuseOtherFunctions(JsonFields fields, Architecture architecture) {
    var dialect = architecture.dialect();
    NEUTRAL.forEach(
        (key, neutral) -> {
          var value = fields.get(key);
          if (value.isPresent()
              && !dialect.reads().contains(key)
              && !isNeutral(value.get(), neutral)) {
            throw otherFunction(fields, key, value.get());
          }
        });
    dialect
        .required()
        .forEach(
            (key, only) -> {
              var value = fields.get(key);
              if (value.isPresent() && !value.get().asText().equals(only)) {
                throw otherFunction(fields, key, value.get());
              }
            });
    dialect
        .equal()
        .forEach(
            (key, other) -> {
              var value = fields.get(key);
              if (value.isPresent() && !value.equals(fields.get(other))) {
                throw new FormatException(
                    fields.where()
                        + ": '"
                        + key
                        + "' = "
                        + value.get()
                        + " is not supported, only models where it is the same as '"
                        + other
                        + "'");
              }
            });
  }

  private static FormatException otherFunction(JsonFields fields, String key, JsonNode value) {
    return new FormatException(
        fields.where()
            + ": '"
            + key
            + "' = "
            + value
            + " is not supported; the model would compute another function");
  }

  private static boolean isNeutral(JsonNode value, Set<String> neutral) {
    return value.isBoolean()
        ? !value.booleanValue()
        : neutral.contains(value.isContainerNode() ? value.toString() : value.asText());
  }

  private static Optional<DType> dtype(JsonFields fields) {
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
    var json =
        config.huggingFace() == null
            ? write(config, architecture)
            : config.huggingFace().deepCopy();
    HuggingFaceWidths.write(config, json);
    return json;
  }

  /** The {@code config.json} of a model that came without one. */
  static ObjectNode write(ModelConfig config, Architecture architecture) {
    var dialect = architecture.dialect();
    var json = Json.object();
    json.putArray("architectures").add(architecture.classes().getFirst());
    json.put("model_type", architecture.modelTypes().getFirst());
    json.put(dialect.name("hidden_size"), config.hidden());
    json.put(dialect.name("intermediate_size"), config.feedForward());
    json.put(dialect.name("num_hidden_layers"), config.blocks());
    json.put(dialect.name("num_attention_heads"), config.heads());
    json.put(dialect.name("hidden_act"), config.arithmetic().activation().huggingFace().getFirst());
    config.experts().ifPresent(experts -> HuggingFaceExperts.write(experts, architecture, json));
    json.put("vocab_size", config.vocabulary());
    json.put(dialect.name("max_position_embeddings"), config.context());
    json.put(dialect.name(architecture.norm().huggingFaceEpsilon()), config.normEpsilon());
    architecture.variant().ifPresent(v -> json.put(v.huggingFace(), v.value()));
    if (architecture.kind() == ModelKind.DECODER) {
      json.put("tie_word_embeddings", config.tiedEmbeddings());
    }
    if (config.rope() != null) {
      json.put("num_key_value_heads", config.keyValueHeads());
      json.put("head_dim", config.headSize());
    }
    writeArithmetic(config, architecture, json);
    Positions.write(config, architecture, json);
    if (architecture.has(Role.TOKEN_TYPE_EMBEDDING)) {
      json.put("type_vocab_size", config.tokenTypes());
    }
    config.beginToken().ifPresent(token -> json.put("bos_token_id", token));
    config.endToken().ifPresent(token -> json.put("eos_token_id", token));
    json.put("torch_dtype", name(config.dtype()));
    return json;
  }

  private static void writeArithmetic(
      ModelConfig config, Architecture architecture, ObjectNode json) {
    var reads = architecture.dialect().reads();
    var arithmetic = config.arithmetic();
    if (reads.contains("query_pre_attn_scalar")) {
      double scalar = 1 / (arithmetic.attentionScale() * arithmetic.attentionScale());
      // transformers insists on a whole number where it is one.
      if (Math.abs(scalar - Math.rint(scalar)) < 1e-3) {
        json.put("query_pre_attn_scalar", (int) Math.rint(scalar));
      } else {
        json.put("query_pre_attn_scalar", scalar);
      }
    }
    if (reads.contains("attn_logit_softcapping")) {
      put(json, "attn_logit_softcapping", arithmetic.attentionCap());
      put(json, "final_logit_softcapping", arithmetic.outputCap());
    }
  }

  private static void put(ObjectNode json, String key, OptionalDouble value) {
    if (value.isPresent()) {
      json.put(key, value.getAsDouble());
    } else {
      json.putNull(key);
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

package ai.lathe.model.config;

import ai.lathe.format.FormatException;
import ai.lathe.format.gguf.GgufMetadata;
import ai.lathe.format.gguf.GgufValue;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.ModelConfig.Experts;
import ai.lathe.model.ModelConfig.Rope;
import ai.lathe.model.ModelConfig.Rope.Scaling;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.model.architecture.Architectures;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/** A model's numbers in the metadata of a GGUF file. */
public final class GgufConfig {

  /** Keys, after the architecture's prefix, that would make it another function. */
  private static final List<String> REFUSED =
      List.of(
          "attn_logit_softcapping",
          "final_logit_softcapping",
          "logit_scale",
          "residual_scale",
          "embedding_scale",
          "attention.scale",
          "expert_shared_count",
          "expert_group_count");

  private static final String EXPERT_COUNT = "expert_count";
  private static final String EXPERTS_USED = "expert_used_count";
  private static final String EXPERT_WIDTH = "expert_feed_forward_length";

  /** The divisors of Llama 3.1 and later differ in their factor only. */
  private static final Scaling.Llama3 LLAMA_3 = new Scaling.Llama3(8, 1, 4, 8192);

  private GgufConfig() {}

  /**
   * What the tensors say and the metadata need not.
   *
   * @param vocabulary rows of the token embedding
   * @param hasOutput whether there is an output matrix
   * @param dtype element type of weights that are not in blocks
   * @param ropeDivisors {@code rope_freqs.weight}, empty where there is none
   */
  public record Tensors(
      long vocabulary, boolean hasOutput, DType dtype, List<Double> ropeDivisors) {}

  /** Which architecture the file holds. */
  public static Architecture architecture(GgufMetadata metadata) {
    var name = metadata.string("general.architecture");
    boolean mixture = metadata.findInteger(name + "." + EXPERT_COUNT).orElse(0) != 0;
    return Architectures.forGguf(name, mixture);
  }

  /**
   * Reads it.
   *
   * @param where names the file in messages
   */
  public static ModelConfig read(
      GgufMetadata metadata, Architecture architecture, Tensors tensors, String where) {
    var keys = new Keys(metadata, architecture.ggufName() + ".", where);
    for (var key : REFUSED) {
      if (keys.number(key, 0) != 0) {
        throw new FormatException(
            where
                + ": '"
                + keys.prefix
                + key
                + "' is not supported; the model would compute another function");
      }
    }
    boolean decoder = architecture.kind() == ModelKind.DECODER;
    if (decoder != metadata.findBool(keys.prefix + "attention.causal").orElse(decoder)) {
      throw new FormatException(
          where
              + ": '"
              + keys.prefix
              + "attention.causal' is not what "
              + architecture.name()
              + " has");
    }
    int hidden = keys.count("embedding_length", Limits.WIDTH);
    int heads = keys.count("attention.head_count", Limits.HEADS);
    if (!keys.has("attention.key_length") && hidden % heads != 0) {
      throw new FormatException(
          where + ": width " + hidden + " is not a multiple of the " + heads + " heads");
    }
    int headSize = keys.count("attention.key_length", Limits.WIDTH, Math.max(1, hidden / heads));
    if (keys.count("attention.value_length", Limits.WIDTH, headSize) != headSize) {
      throw new FormatException(where + ": values of another size than keys are not supported");
    }
    int feedForward = keys.count("feed_forward_length", Limits.WIDTH);
    var config =
        new ModelConfig(
            hidden,
            keys.count("block_count", Limits.BLOCKS),
            heads,
            keys.count("attention.head_count_kv", Limits.HEADS, heads),
            headSize,
            feedForward,
            experts(keys, architecture, feedForward),
            vocabulary(tensors, where),
            keys.count("context_length", Limits.POSITIONS),
            keys.positive(architecture.norm().ggufEpsilon()),
            decoder ? rope(keys, headSize, tensors.ropeDivisors()) : null,
            architecture.has(Role.OUTPUT) && !tensors.hasOutput(),
            architecture.has(Role.TOKEN_TYPE_EMBEDDING)
                ? Math.toIntExact(
                    Math.clamp(
                        metadata.findInteger("tokenizer.ggml.token_type_count").orElse(2),
                        1,
                        Limits.WIDTH))
                : 0,
            OptionalInt.empty(),
            tensors.dtype(),
            keys.token("bos_token_id"),
            keys.token("eos_token_id"),
            null);
    Limits.check(config, where);
    return config.rope() != null && config.rope().scaling() instanceof Scaling.PerFrequency
        ? config
        : config.describedBy(HuggingFaceConfig.write(config, architecture));
  }

  /** llama.cpp divides a token's weights over its experts by their sum in all of these. */
  private static Optional<Experts> experts(Keys keys, Architecture architecture, int feedForward) {
    if (!architecture.has(Role.ROUTER)) {
      if (keys.number(EXPERT_COUNT, 0) != 0) {
        throw new FormatException(
            keys.where + ": a " + architecture.name() + " with experts is not supported");
      }
      return Optional.empty();
    }
    int count = keys.count(EXPERT_COUNT, Limits.EXPERTS);
    int perToken = keys.count(EXPERTS_USED, count);
    int width =
        architecture.has(Role.GATE)
            ? keys.count(EXPERT_WIDTH, Limits.WIDTH, Math.max(1, feedForward / perToken))
            : feedForward;
    return Optional.of(new Experts(count, perToken, width, true, Set.of()));
  }

  private static void write(
      Experts experts, Architecture architecture, GgufMetadata.Builder metadata) {
    var prefix = architecture.ggufName() + ".";
    if (!experts.normalized()) {
      throw new LatheException(
          "a GGUF "
              + architecture.ggufName()
              + " divides the weights of a token's experts by their sum, and this model does not"
              + " (norm_topk_prob); it can be written as a directory only");
    }
    if (!experts.denseBlocks().isEmpty()) {
      throw new LatheException(
          "a GGUF "
              + architecture.ggufName()
              + " has experts in every block, and this model has none in block "
              + Collections.min(experts.denseBlocks())
              + "; it can be written as a directory only");
    }
    metadata.u32(prefix + EXPERT_COUNT, experts.count());
    metadata.u32(prefix + EXPERTS_USED, experts.perToken());
    if (architecture.has(Role.GATE)) {
      metadata.u32(prefix + EXPERT_WIDTH, experts.feedForward());
    }
  }

  private static int vocabulary(Tensors tensors, String where) {
    if (tensors.vocabulary() < 1 || tensors.vocabulary() > Limits.VOCABULARY) {
      throw new FormatException(
          where + ": " + tensors.vocabulary() + " tokens are more than any vocabulary has");
    }
    return (int) tensors.vocabulary();
  }

  private static Rope rope(Keys keys, int headSize, List<Double> divisors) {
    int dimensions = keys.count("rope.dimension_count", Limits.WIDTH, headSize);
    if (dimensions != headSize) {
      throw new FormatException(
          keys.where
              + ": rotates "
              + dimensions
              + " of the "
              + headSize
              + " features of a head; only all of them are supported");
    }
    double theta = keys.has("rope.freq_base") ? keys.positive("rope.freq_base") : 10_000;
    var type = keys.metadata.findString(keys.prefix + "rope.scaling.type").orElse("none");
    if (!divisors.isEmpty()) {
      return perFrequency(keys, theta, headSize, divisors);
    }
    return switch (type) {
      case "none" -> new Rope(theta, headSize, new Scaling.None());
      case "linear" ->
          new Rope(theta, headSize, new Scaling.Linear(keys.positive("rope.scaling.factor")));
      default ->
          throw new FormatException(
              keys.where
                  + ": "
                  + LatheException.unknown("rope scaling", type, List.of("none", "linear"))
                      .getMessage());
    };
  }

  private static Rope perFrequency(Keys keys, double theta, int headSize, List<Double> divisors) {
    if (divisors.size() != headSize / 2
        || divisors.stream().anyMatch(d -> !(d > 0) || d.isInfinite())) {
      throw new FormatException(
          keys.where + ": rope_freqs.weight should hold " + headSize / 2 + " numbers above 0");
    }
    var llama3 =
        new Rope(
            theta,
            headSize,
            new Scaling.Llama3(
                divisors.getLast(),
                LLAMA_3.lowFrequencyFactor(),
                LLAMA_3.highFrequencyFactor(),
                LLAMA_3.originalContext()));
    var expected = divisors(llama3);
    for (int i = 0; i < expected.length; i++) {
      if (Math.abs(expected[i] - divisors.get(i)) > 1e-5 * divisors.get(i)) {
        return new Rope(theta, headSize, new Scaling.PerFrequency(divisors));
      }
    }
    return llama3;
  }

  /** What {@code rope_freqs.weight} holds: unscaled over scaled frequencies. */
  public static float[] divisors(Rope rope) {
    var plain = new Rope(rope.theta(), rope.dimensions(), new Scaling.None()).frequencies();
    var scaled = rope.frequencies();
    var divisors = new float[plain.length];
    for (int i = 0; i < divisors.length; i++) {
      divisors[i] = (float) (plain[i] / scaled[i]);
    }
    return divisors;
  }

  /** Whether the scaling goes into a tensor, not into keys. */
  public static boolean needsDivisors(ModelConfig config) {
    return config.rope() != null
        && (config.rope().scaling() instanceof Scaling.Llama3
            || config.rope().scaling() instanceof Scaling.PerFrequency);
  }

  /** Adds {@code general.architecture} and everything under the architecture's prefix. */
  public static void write(
      ModelConfig config, Architecture architecture, GgufMetadata.Builder metadata) {
    var prefix = architecture.ggufName() + ".";
    metadata
        .string("general.architecture", architecture.ggufName())
        .u32(prefix + "block_count", config.blocks())
        .u32(prefix + "context_length", config.context())
        .u32(prefix + "embedding_length", config.hidden())
        .u32(prefix + "feed_forward_length", config.feedForward())
        .u32(prefix + "attention.head_count", config.heads())
        .f32(prefix + architecture.norm().ggufEpsilon(), config.normEpsilon());
    if (architecture.kind() == ModelKind.ENCODER) {
      metadata.bool(prefix + "attention.causal", false);
    } else {
      metadata
          .u32(prefix + "attention.head_count_kv", config.keyValueHeads())
          .u32(prefix + "attention.key_length", config.headSize())
          .u32(prefix + "attention.value_length", config.headSize())
          .u32(prefix + "rope.dimension_count", config.rope().dimensions())
          .f32(prefix + "rope.freq_base", config.rope().theta())
          .u32(prefix + "vocab_size", config.vocabulary());
      if (config.rope().scaling() instanceof Scaling.Linear(double factor)) {
        metadata
            .string(prefix + "rope.scaling.type", "linear")
            .f32(prefix + "rope.scaling.factor", factor);
      }
    }
    config.experts().ifPresent(experts -> write(experts, architecture, metadata));
    if (architecture.has(Role.TOKEN_TYPE_EMBEDDING)) {
      metadata.u32("tokenizer.ggml.token_type_count", config.tokenTypes());
    }
  }

  /** Keys of one architecture. */
  private record Keys(GgufMetadata metadata, String prefix, String where) {

    boolean has(String key) {
      return metadata.has(prefix + key);
    }

    double number(String key, double otherwise) {
      return has(key) ? metadata.real(prefix + key) : otherwise;
    }

    double positive(String key) {
      // Stored as float32: the shortest decimal that gives it is what was meant.
      double value = Double.parseDouble(Float.toString((float) metadata.real(prefix + key)));
      if (!(value > 0) || Double.isInfinite(value)) {
        throw new FormatException(
            where + ": '" + prefix + key + "' should be above 0, not " + value);
      }
      return value;
    }

    int count(String key, int most, int otherwise) {
      return has(key) ? count(key, most) : otherwise;
    }

    /** Some files state one number a block; all must be the same. */
    int count(String key, int most) {
      long value = perBlock(key).orElseGet(() -> metadata.integer(prefix + key));
      if (value < 1 || value > most) {
        throw new FormatException(
            where + ": '" + prefix + key + "' is " + value + "; expected 1 to " + most);
      }
      return (int) value;
    }

    private Optional<Long> perBlock(String key) {
      if (!has(key) || !(metadata.value(prefix + key) instanceof GgufValue.Array)) {
        return Optional.empty();
      }
      var values = metadata.integers(prefix + key);
      if (values.length == 0 || Arrays.stream(values).distinct().count() > 1) {
        throw new FormatException(
            where + ": '" + prefix + key + "' differs between blocks, which is not supported");
      }
      return Optional.of(values[0]);
    }

    OptionalInt token(String key) {
      var value = metadata.findInteger("tokenizer.ggml." + key);
      return value.isPresent() && value.getAsLong() >= 0 && value.getAsLong() < Limits.VOCABULARY
          ? OptionalInt.of((int) value.getAsLong())
          : OptionalInt.empty();
    }
  }
}

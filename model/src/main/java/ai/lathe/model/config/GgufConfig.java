package ai.lathe.model.config;

import ai.lathe.format.FormatException;
import ai.lathe.format.gguf.GgufMetadata;
import ai.lathe.format.gguf.GgufValue;
import ai.lathe.model.BlockWidths;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.ModelConfig.Arithmetic;
import ai.lathe.model.ModelConfig.Experts;
import ai.lathe.model.ModelConfig.Rope;
import ai.lathe.model.ModelConfig.Rope.Scaling;
import ai.lathe.model.ModelConfig.Window;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.model.architecture.Architecture.Windows;
import ai.lathe.model.architecture.Architectures;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.IntStream;

/** A model's numbers in the metadata of a GGUF file. */
public final class GgufConfig {

  /** Keys, after the architecture's prefix, that would make it another function. */
  private static final List<String> REFUSED =
      List.of(
          "logit_scale",
          "residual_scale",
          "embedding_scale",
          "expert_shared_count",
          "expert_group_count");

  private static final String ARCHITECTURE = "general.architecture";
  private static final String EXPERT_COUNT = "expert_count";
  private static final String EXPERTS_USED = "expert_used_count";
  private static final String EXPERT_WIDTH = "expert_feed_forward_length";

  private GgufConfig() {}

  /**
   * What the tensors say and the metadata need not.
   *
   * @param vocabulary rows of the token embedding
   * @param hasOutput whether there is an output matrix
   * @param dtype element type of weights that are not in blocks
   * @param divisors of the rotary frequencies, by the name of the tensor that holds them
   */
  public record Tensors(
      long vocabulary, boolean hasOutput, DType dtype, Map<String, List<Double>> divisors) {}

  /** Which architecture the file holds. */
  public static Architecture architecture(GgufMetadata metadata) {
    var name = metadata.string(ARCHITECTURE);
    boolean mixture = metadata.findInteger(name + "." + EXPERT_COUNT).orElse(0) != 0;
    return Architectures.choose(
        Architectures.forGguf(name, mixture),
        variant -> metadata.findBool(name + "." + variant.gguf()).orElse(variant.otherwise()));
  }

  /**
   * Reads it.
   *
   * @param where names the file in messages
   */
  public static ModelConfig read(
      GgufMetadata metadata, Architecture architecture, Tensors tensors, String where) {
    var keys = new Keys(metadata, metadata.string(ARCHITECTURE) + ".", where);
    for (var key : REFUSED) {
      if (keys.number(key, 0) != 0) {
        throw keys.otherFunction(key);
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
    int blocks = keys.count("block_count", Limits.BLOCKS);
    var feedForwards = keys.counts("feed_forward_length", Limits.WIDTH, blocks);
    int feedForward = Collections.max(feedForwards);
    var rope =
        architecture.has(Role.POSITION_EMBEDDING)
            ? null
            : GgufRope.read(keys, headSize, tensors.divisors());
    var config =
        new ModelConfig(
            hidden,
            blocks,
            heads,
            keys.count("attention.head_count_kv", Limits.HEADS, heads),
            headSize,
            feedForward,
            experts(keys, architecture, feedForward),
            vocabulary(tensors, where),
            keys.count("context_length", Limits.POSITIONS),
            keys.positive(architecture.norm().ggufEpsilon()),
            rope,
            architecture.has(Role.OUTPUT) && !tensors.hasOutput(),
            architecture.has(Role.TOKEN_TYPE_EMBEDDING)
                ? Math.toIntExact(
                    Math.clamp(
                        metadata.findInteger("tokenizer.ggml.token_type_count").orElse(2),
                        1,
                        Limits.WIDTH))
                : 0,
            window(keys, architecture, blocks, rope),
            arithmetic(keys, architecture, blocks, hidden, heads, headSize),
            tensors.dtype(),
            keys.token("bos_token_id", tensors.vocabulary()),
            keys.token("eos_token_id", tensors.vocabulary()),
            null,
            feedForwards.stream()
                .map(width -> new BlockWidths(width, headSize, headSize))
                .toList());
    Limits.check(config, where);
    GgufWidths.check(config, architecture, where);
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
      Experts experts, Architecture architecture, String prefix, GgufMetadata.Builder metadata) {
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

  private static Optional<Window> window(
      Keys keys, Architecture architecture, int blocks, Rope rope) {
    long positions = keys.whole("attention.sliding_window", 0);
    if (positions <= 0) {
      return Optional.empty();
    }
    var blockwise = keys.flags("attention.sliding_window_pattern", blocks);
    var every =
        (int) keys.whole("attention.sliding_window_pattern", architecture.windows().fullEvery());
    var windows = new Windows(every, architecture.windows().theta());
    var in = blockwise.orElseGet(() -> IntStream.range(0, blocks).mapToObj(windows::in).toList());
    var own =
        architecture.windows().theta().isPresent()
            ? new Rope(
                keys.has("rope.freq_base_swa")
                    ? keys.positive("rope.freq_base_swa")
                    : architecture.windows().theta().getAsDouble(),
                rope.dimensions(),
                new Scaling.None())
            : rope;
    return in.contains(true)
        ? Optional.of(new Window((int) Math.min(positions, Limits.POSITIONS), in, own))
        : Optional.empty();
  }

  private static Arithmetic arithmetic(
      Keys keys, Architecture architecture, int blocks, int hidden, int heads, int headSize) {
    double assumed =
        architecture.llamaCpp().orElseThrow().attentionScale(blocks, hidden, heads, headSize);
    double scale = keys.number("attention.scale", 0);
    return new Arithmetic(
        architecture.activation(),
        scale > 0 ? scale : assumed,
        cap(keys, architecture, "attn_logit_softcapping"),
        cap(keys, architecture, "final_logit_softcapping"));
  }

  private static OptionalDouble cap(Keys keys, Architecture architecture, String key) {
    var dialect = architecture.dialect();
    if (!dialect.reads().contains(key)) {
      if (keys.number(key, 0) != 0) {
        throw keys.otherFunction(key);
      }
      return OptionalDouble.empty();
    }
    boolean assumed = dialect.defaults().containsKey(key);
    double cap = keys.number(key, assumed ? dialect.defaults().get(key).doubleValue() : 0);
    return cap > 0
        ? OptionalDouble.of(keys.has(key) ? keys.positive(key) : cap)
        : OptionalDouble.empty();
  }

  /** Adds {@code general.architecture} and everything under the architecture's prefix. */
  public static void write(
      ModelConfig config, Architecture architecture, GgufMetadata.Builder metadata) {
    var name = GgufWidths.name(config, architecture);
    var prefix = name + ".";
    metadata
        .string(ARCHITECTURE, name)
        .u32(prefix + "block_count", config.blocks())
        .u32(prefix + "context_length", config.context())
        .u32(prefix + "embedding_length", config.hidden())
        .u32(prefix + "attention.head_count", config.heads())
        .f32(prefix + architecture.norm().ggufEpsilon(), config.normEpsilon());
    if (architecture.kind() == ModelKind.ENCODER) {
      metadata.bool(prefix + "attention.causal", false);
    } else {
      metadata
          .u32(prefix + "attention.head_count_kv", config.keyValueHeads())
          .u32(prefix + "attention.key_length", config.headSize())
          .u32(prefix + "attention.value_length", config.headSize())
          .u32(prefix + "vocab_size", config.vocabulary());
    }
    GgufWidths.write(config, prefix + "feed_forward_length", metadata);
    config.experts().ifPresent(experts -> write(experts, architecture, prefix, metadata));
    architecture.variant().ifPresent(v -> metadata.bool(prefix + v.gguf(), v.value()));
    GgufRope.write(config, prefix, metadata);
    writeWindow(config, architecture, prefix, metadata);
    writeArithmetic(config, architecture, prefix, metadata);
    if (architecture.has(Role.TOKEN_TYPE_EMBEDDING)) {
      metadata.u32("tokenizer.ggml.token_type_count", config.tokenTypes());
    }
  }

  private static void writeWindow(
      ModelConfig config, Architecture architecture, String prefix, GgufMetadata.Builder metadata) {
    if (config.window().isEmpty()) {
      // llama.cpp takes a window that is not stated for the one that such models usually have.
      if (architecture.windows().fullEvery() != 0) {
        metadata.u32(prefix + "attention.sliding_window", 0);
      }
      return;
    }
    var window = config.window().get();
    metadata.u32(prefix + "attention.sliding_window", window.positions());
    var usual = IntStream.range(0, config.blocks()).mapToObj(architecture.windows()::in).toList();
    if (!window.blocks().equals(usual)) {
      metadata.put(
          prefix + "attention.sliding_window_pattern", new GgufValue.Bools(bools(window.blocks())));
    }
    if (architecture.windows().theta().isPresent()) {
      metadata.f32(prefix + "rope.freq_base_swa", window.rope().theta());
    }
  }

  private static boolean[] bools(List<Boolean> values) {
    var bools = new boolean[values.size()];
    for (int i = 0; i < bools.length; i++) {
      bools[i] = values.get(i);
    }
    return bools;
  }

  private static void writeArithmetic(
      ModelConfig config, Architecture architecture, String prefix, GgufMetadata.Builder metadata) {
    var arithmetic = config.arithmetic();
    if (!scaledAsAssumed(config, architecture)) {
      metadata.f32(prefix + "attention.scale", arithmetic.attentionScale());
    }
    arithmetic
        .attentionCap()
        .ifPresent(cap -> metadata.f32(prefix + "attn_logit_softcapping", cap));
    arithmetic.outputCap().ifPresent(cap -> metadata.f32(prefix + "final_logit_softcapping", cap));
    if (architecture.llamaCpp().orElseThrow().capped()
        && (arithmetic.attentionCap().isEmpty() || arithmetic.outputCap().isEmpty())) {
      throw new LatheException(
          "GGUF cannot hold a " + architecture.name() + " whose scores or logits are not capped");
    }
  }

  private static boolean scaledAsAssumed(ModelConfig config, Architecture architecture) {
    double assumed =
        architecture
            .llamaCpp()
            .orElseThrow()
            .attentionScale(config.blocks(), config.hidden(), config.heads(), config.headSize());
    return Math.abs(config.arithmetic().attentionScale() / assumed - 1) < 1e-6;
  }

  /** What llama.cpp will compute otherwise although the file says it, one sentence each. */
  public static List<String> notes(ModelConfig config, Architecture architecture) {
    var notes = new ArrayList<String>();
    var llamaCpp = architecture.llamaCpp().orElseThrow();
    var name = architecture.name();
    config
        .window()
        .filter(_ -> !llamaCpp.windowed())
        .ifPresent(
            window ->
                notes.add(
                    "llama.cpp ignores the sliding window of a "
                        + name
                        + ", so beyond "
                        + window.positions()
                        + " tokens it computes something else"));
    if (!scaledAsAssumed(config, architecture)) {
      notes.add("llama.cpp ignores this " + name + "'s attention scale and takes its own");
    }
    if (config.arithmetic().activation() != llamaCpp.activation()) {
      notes.add(
          "llama.cpp computes "
              + llamaCpp.activation().huggingFace().getFirst()
              + " where this "
              + name
              + " has "
              + config.arithmetic().activation().huggingFace().getFirst());
    }
    if (!config.widths().isEmpty() && llamaCpp.blockwise() == null) {
      notes.add("llama.cpp does not open a " + name + " whose feed-forwards differ in width");
    }
    if (llamaCpp.ownOutput() && config.tiedEmbeddings()) {
      notes.add("llama.cpp does not open a " + name + " without an output matrix of its own");
    }
    return notes;
  }

  /** Keys of one architecture. */
  record Keys(GgufMetadata metadata, String prefix, String where) {

    FormatException otherFunction(String key) {
      return new FormatException(
          where
              + ": '"
              + prefix
              + key
              + "' is not supported; the model would compute another function");
    }

    /** A whole number that is not a list. */
    long whole(String key, long otherwise) {
      return has(key) && !(metadata.value(prefix + key) instanceof GgufValue.Array)
          ? metadata.integer(prefix + key)
          : otherwise;
    }

    /** A truth for each block, where the key holds a list. */
    Optional<List<Boolean>> flags(String key, int blocks) {
      if (!has(key) || !(metadata.value(prefix + key) instanceof GgufValue.Array array)) {
        return Optional.empty();
      }
      var flags = new ArrayList<Boolean>();
      switch (array) {
        case GgufValue.Bools(boolean[] values) -> {
          for (boolean value : values) {
            flags.add(value);
          }
        }
        case GgufValue.Integers(_, long[] values) -> {
          for (long value : values) {
            flags.add(value != 0);
          }
        }
        default -> {}
      }
      if (flags.size() != blocks) {
        throw new FormatException(
            where
                + ": '"
                + prefix
                + key
                + "' should hold a truth for each of "
                + blocks
                + " blocks");
      }
      return Optional.of(List.copyOf(flags));
    }

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

    /** One number for all blocks, or one for each. */
    List<Integer> counts(String key, int most, int blocks) {
      if (!has(key) || !(metadata.value(prefix + key) instanceof GgufValue.Array)) {
        return Collections.nCopies(blocks, count(key, most));
      }
      var values = metadata.integers(prefix + key);
      if (values.length != blocks || !Arrays.stream(values).allMatch(n -> n >= 1 && n <= most)) {
        throw new FormatException(
            "%s: '%s%s' should hold a number from 1 to %d for each of %d blocks"
                .formatted(where, prefix, key, most, blocks));
      }
      return Arrays.stream(values).mapToObj(value -> (int) value).toList();
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

    /** Files of models that have no such token state one that no vocabulary holds. */
    OptionalInt token(String key, long vocabulary) {
      var value = metadata.findInteger("tokenizer.ggml." + key);
      if (value.isEmpty() || value.getAsLong() < 0 || value.getAsLong() >= Limits.VOCABULARY) {
        return OptionalInt.empty();
      }
      if (value.getAsLong() >= vocabulary) {
        throw new FormatException(
            "%s: 'tokenizer.ggml.%s' is %d; tokens are from 0 to %d"
                .formatted(where, key, value.getAsLong(), vocabulary - 1));
      }
      return OptionalInt.of((int) value.getAsLong());
    }
  }
}

package ai.lathe.model.architecture;

import static ai.lathe.model.architecture.Parameter.Kind.EMBEDDING;
import static ai.lathe.model.architecture.Parameter.Kind.INDICES;
import static ai.lathe.model.architecture.Parameter.Kind.LINEAR;
import static ai.lathe.model.architecture.Parameter.Kind.NORM;
import static ai.lathe.model.architecture.Width.HIDDEN;

import ai.lathe.model.architecture.Parameter.Trait;
import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.Stream;

/**
 * A transformer described once, as data: the executors, calibration, checkpoints and exporters all
 * read this and nothing else.
 *
 * @param name short name
 * @param ggufName GGUF's {@code general.architecture} and the prefix of its keys
 * @param modelTypes Hugging Face {@code model_type}s
 * @param classes Hugging Face class names that it covers, the first the one to write
 * @param kind decoder or encoder
 * @param norm kind of every norm
 * @param normOffset what is added to the norm weights of Hugging Face files before they multiply;
 *     GGUF holds the sum
 * @param normOrder where the norms of a block stand
 * @param activation of the feed-forward, unless a model says otherwise
 * @param routing how tokens are weighted over experts; null without experts
 * @param scaledEmbedding token embeddings are multiplied by the root of the hidden size
 * @param windows which blocks a sliding window is for, where a model has one
 * @param modelPrefixes prefixes that Hugging Face names may carry, the one to write first
 * @param ignored starts or ends of Hugging Face names, without prefix, that are not part of the
 *     computed function: task heads and buffers
 * @param blockNames {@code model.layers.{n}} and {@code blk.{n}}
 * @param outer parameters outside blocks, in order of execution
 * @param inner parameters of each block, in order of execution
 * @param dialect how its {@code config.json} differs
 * @param variant what tells it from another description of the same model type
 * @param llamaCpp what llama.cpp makes of it; empty where it has no such architecture
 */
public record Architecture(
    String name,
    String ggufName,
    List<String> modelTypes,
    List<String> classes,
    ModelKind kind,
    NormKind norm,
    double normOffset,
    NormOrder normOrder,
    Activation activation,
    Routing routing,
    boolean scaledEmbedding,
    Windows windows,
    List<String> modelPrefixes,
    List<String> ignored,
    BlockNames blockNames,
    Map<Role, Parameter> outer,
    Map<Role, Parameter> inner,
    Dialect dialect,
    Optional<Variant> variant,
    Optional<LlamaCpp> llamaCpp) {

  public enum ModelKind {
    /** Causal attention, next-token logits. */
    DECODER,
    /** Attention in both directions, hidden states. */
    ENCODER
  }

  public enum NormKind {
    /** {@code x / rms(x) * weight} */
    RMS("rms_norm_eps", "attention.layer_norm_rms_epsilon"),
    /** {@code (x - mean(x)) / std(x) * weight + bias} */
    LAYER("layer_norm_eps", "attention.layer_norm_epsilon");

    private final String huggingFaceEpsilon;
    private final String ggufEpsilon;

    NormKind(String huggingFaceEpsilon, String ggufEpsilon) {
      this.huggingFaceEpsilon = huggingFaceEpsilon;
      this.ggufEpsilon = ggufEpsilon;
    }

    /** Where config.json says what is added to the variance. */
    public String huggingFaceEpsilon() {
      return huggingFaceEpsilon;
    }

    /** The GGUF key of the same, after the architecture's prefix. */
    public String ggufEpsilon() {
      return ggufEpsilon;
    }
  }

  public enum NormOrder {
    /** Norm, then layer, then residual sum. */
    PRE,
    /** Layer, residual sum, then norm. */
    POST,
    /** Norm, layer, another norm, then residual sum. */
    SANDWICH,
    /** Attention and feed-forward both read the block's input, each through its norm. */
    PARALLEL
  }

  public enum Activation {
    SILU("silu", "swish"),
    /** With the error function. */
    GELU("gelu"),
    /** With the tanh approximation. */
    GELU_TANH("gelu_pytorch_tanh", "gelu_new", "gelu_fast"),
    RELU("relu");

    private final List<String> huggingFace;

    Activation(String... huggingFace) {
      this.huggingFace = List.of(huggingFace);
    }

    /** What config.json may call it, the name to write first. */
    public List<String> huggingFace() {
      return huggingFace;
    }
  }

  /** What becomes of the softmax over all experts where a token's few are chosen. */
  public enum Routing {
    /** Divided by the sum over the chosen. */
    NORMALIZED,
    /** Likewise where config.json says {@code norm_topk_prob}, else left as it is. */
    CONFIGURED
  }

  /**
   * Blocks with a sliding window, unless a model lists them.
   *
   * @param fullEvery of so many blocks the last one sees everything; 0 where none does
   * @param theta of the rotary positions in blocks with a window; empty where all have the same
   */
  public record Windows(int fullEvery, OptionalDouble theta) {

    public boolean in(int block) {
      return fullEvery == 0 || (block + 1) % fullEvery != 0;
    }
  }

  /**
   * A setting that makes two architectures of one model type.
   *
   * @param huggingFace the field of config.json
   * @param gguf the key after the architecture's prefix, or null
   * @param value that this architecture is for
   * @param otherwise the value where a file does not say
   */
  public record Variant(String huggingFace, String gguf, boolean value, boolean otherwise) {}

  /** Patterns with {@code {n}} for the block's index. */
  public record BlockNames(String huggingFace, String gguf) {}

  /** Any parameter; throws where the architecture has none of that role. */
  public Parameter parameter(Role role) {
    var parameter = inner.containsKey(role) ? inner.get(role) : outer.get(role);
    if (parameter == null) {
      throw new LatheException(name + " has no " + role);
    }
    return parameter;
  }

  public boolean has(Role role) {
    return inner.containsKey(role) || outer.containsKey(role);
  }

  /** Linears of a block in order of execution. */
  public List<Parameter> linears() {
    return inner.values().stream().filter(p -> p.kind() == LINEAR).toList();
  }

  /** All parameters, outer ones first. */
  public List<Parameter> parameters() {
    var all = new ArrayList<>(outer.values());
    all.addAll(inner.values());
    return all;
  }

  /** What of a block can be scaled without changing its function, and what cannot. */
  public List<ScalingSet> scalingSets() {
    return ScalingSet.of(this);
  }

  /** What GGUF may call it: its name, and another for blocks of different widths. */
  public List<String> ggufNames() {
    var blockwise = llamaCpp.map(LlamaCpp::blockwise).map(List::of).orElse(List.of());
    return Stream.concat(Stream.of(ggufName), blockwise.stream()).toList();
  }

  /** Whether the feed-forward multiplies by an activated gate. */
  public boolean gated() {
    return inner.containsKey(Role.GATE) || inner.containsKey(Role.GATE_UP);
  }

  /**
   * The module that holds a parameter, as Hugging Face names it and recipes select it, for example
   * {@code model.layers.0.self_attn.q_proj}.
   *
   * @param block ignored for parameters outside blocks
   * @param expert ignored for parameters that experts do not have
   */
  public String moduleName(int block, int expert, Role role) {
    var name = parameter(role).huggingFace().replace("{e}", Integer.toString(expert));
    return prefixed(
        modelPrefixes.getFirst(),
        role,
        inner.containsKey(role)
            ? blockNames.huggingFace().replace("{n}", Integer.toString(block)) + "." + name
            : name);
  }

  /** A name with one of the model's prefixes; a head stands beside the model, without one. */
  public static String prefixed(String prefix, Role role, String name) {
    return Role.BESIDE.contains(role) ? name : prefix + name;
  }

  public static Builder decoder(String name) {
    return new Builder(name, ModelKind.DECODER);
  }

  public static Builder encoder(String name) {
    return new Builder(name, ModelKind.ENCODER);
  }

  /** Reads as the model runs, from the embedding to the output, a line for each parameter. */
  public static final class Builder {
    private final String name;
    private final ModelKind kind;
    private String ggufName;
    private List<String> modelTypes = List.of();
    private List<String> classes = List.of();
    private List<String> prefixes = List.of("");
    private List<String> ignored = List.of();
    private NormKind norm = NormKind.RMS;
    private double normOffset;
    private NormOrder normOrder = NormOrder.PRE;
    private Activation activation = Activation.SILU;
    private Routing routing;
    private boolean scaledEmbedding;
    private Windows windows = new Windows(0, OptionalDouble.empty());
    private boolean biased;
    private BlockNames blockNames;
    private final Map<Role, Parameter> outer = new LinkedHashMap<>();
    private final Map<Role, Parameter> inner = new LinkedHashMap<>();
    private Map<Role, Parameter> current = outer;
    private Dialect dialect = Dialect.LLAMA;
    private Optional<Variant> variant = Optional.empty();
    private Optional<LlamaCpp> llamaCpp;

    private Builder(String name, ModelKind kind) {
      this.name = name;
      this.kind = kind;
      this.ggufName = name;
    }

    /** Where GGUF calls it otherwise. */
    public Builder ggufName(String other) {
      ggufName = other;
      return this;
    }

    public Builder modelTypes(String... types) {
      modelTypes = List.of(types);
      return this;
    }

    public Builder classes(String... classNames) {
      classes = List.of(classNames);
      return this;
    }

    /** Prefixes of every Hugging Face name, all accepted; the first is written. */
    public Builder prefixes(String... all) {
      prefixes = List.of(all);
      return this;
    }

    /** Starts or ends of Hugging Face names that files hold and the function does not need. */
    public Builder ignores(String... names) {
      ignored = List.of(names);
      return this;
    }

    public Builder norms(NormKind kindOfAll, NormOrder order) {
      norm = kindOfAll;
      normOrder = order;
      return this;
    }

    /** Norm weights of Hugging Face files are this much too small. */
    public Builder normOffset(double offset) {
      normOffset = offset;
      return this;
    }

    /** Token embeddings are multiplied by the root of the hidden size. */
    public Builder scaledEmbedding() {
      scaledEmbedding = true;
      return this;
    }

    /** Where there is a window, the last of so many blocks sees everything. */
    public Builder fullEvery(int blocks) {
      windows = new Windows(blocks, windows.theta());
      return this;
    }

    /** Blocks with a window have rotary positions of their own. */
    public Builder windowTheta(double theta) {
      windows = new Windows(windows.fullEvery(), OptionalDouble.of(theta));
      return this;
    }

    public Builder dialect(Dialect ofConfig) {
      dialect = ofConfig;
      return this;
    }

    /** One of two architectures of the same model type; {@code gguf} may be null. */
    public Builder variant(String huggingFace, String gguf, boolean value, boolean otherwise) {
      variant = Optional.of(new Variant(huggingFace, gguf, value, otherwise));
      return this;
    }

    /** llama.cpp does not compute quite the same. */
    public Builder llamaCpp(LlamaCpp differently) {
      llamaCpp = Optional.of(differently);
      return this;
    }

    /** llama.cpp does not have it, so GGUF has no names for it. */
    public Builder notInLlamaCpp() {
      llamaCpp = Optional.empty();
      return this;
    }

    public Builder activation(Activation function) {
      activation = function;
      return this;
    }

    public Builder routing(Routing ofTokens) {
      routing = ofTokens;
      return this;
    }

    /** What follows stands in each block; {@code {n}} is its index. */
    public Builder blocks(String huggingFace, String gguf) {
      blockNames = new BlockNames(huggingFace, gguf);
      current = inner;
      return this;
    }

    /** What follows stands behind the blocks. */
    public Builder end() {
      current = outer;
      return this;
    }

    /** Every linear has a bias. */
    public Builder biased() {
      biased = true;
      return this;
    }

    /** A table of {@code rows} vectors, {@code [rows, hidden]}. */
    public Builder embedding(Role role, String huggingFace, String gguf, Width rows) {
      return put(Parameter.plain(role, EMBEDDING, huggingFace, gguf, rows, HIDDEN, null, false));
    }

    /** A norm over the residual stream. */
    public Builder norm(Role role, String huggingFace, String gguf) {
      return norm(role, huggingFace, gguf, HIDDEN);
    }

    public Builder norm(Role role, String huggingFace, String gguf, Width width) {
      boolean shifted = norm == NormKind.LAYER;
      return put(Parameter.plain(role, NORM, huggingFace, gguf, width, null, null, shifted));
    }

    /**
     * A linear layer on the output of {@code reads}, giving {@code out} features. Where {@code
     * reads} stands further down in the block, it is the previous block's.
     */
    public Builder linear(
        Role role, String huggingFace, String gguf, Role reads, Width out, Trait... traits) {
      var linear =
          Parameter.plain(role, LINEAR, huggingFace, gguf, out, width(reads), reads, biased);
      for (var trait : traits) {
        linear = trait.applyTo(linear);
      }
      return put(linear);
    }

    /**
     * Which pairs of features the heads of {@link Role#QUERY} and {@link Role#KEY} still have,
     * where a block has fewer, {@code [key-value heads, pairs]}. Without it these heads stay whole.
     */
    public Builder rotaryPairs(String huggingFace) {
      return put(
          Parameter.plain(
              Role.ROTARY_PAIRS,
              INDICES,
              huggingFace,
              // llama.cpp has no such tensor: this is for reports.
              "attn_rotary_pairs",
              Width.KEY_VALUE_HEADS,
              Width.ROTARY_PAIRS,
              null,
              false));
    }

    /** Attention hands on a mix of values for each query head; a norm keeps the stream's width. */
    private Width width(Role read) {
      return switch (read) {
        case VALUE, QUERY_KEY_VALUE -> Width.MIXED_VALUES;
        case GATE_UP -> Width.FEED_FORWARD;
        default -> current.containsKey(read) ? current.get(read).rows() : HIDDEN;
      };
    }

    private Builder put(Parameter parameter) {
      current.put(parameter.role(), parameter);
      return this;
    }

    public Architecture build() {
      return new Architecture(
          name,
          ggufName,
          modelTypes,
          classes,
          kind,
          norm,
          normOffset,
          normOrder,
          activation,
          routing,
          scaledEmbedding,
          windows,
          prefixes,
          ignored,
          blockNames,
          Collections.unmodifiableMap(outer),
          Collections.unmodifiableMap(inner),
          dialect,
          variant,
          llamaCpp == null ? Optional.of(LlamaCpp.plain(activation)) : llamaCpp);
    }
  }
}

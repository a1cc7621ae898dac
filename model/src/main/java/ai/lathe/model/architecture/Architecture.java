package ai.lathe.model.architecture;

import ai.lathe.model.architecture.Parameter.Kind;
import ai.lathe.model.architecture.Parameter.RowOrder;
import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * A transformer described once, as data: the executors, calibration, checkpoints and exporters all
 * read this and nothing else.
 *
 * @param name short name, also GGUF's {@code general.architecture}
 * @param modelTypes Hugging Face {@code model_type}s
 * @param classes Hugging Face class names that it covers, the first the one to write
 * @param kind decoder or encoder
 * @param norm kind of every norm
 * @param normOrder where the norms of a block stand
 * @param activation of the feed-forward
 * @param modelPrefixes prefixes that Hugging Face names may carry, the one to write first
 * @param blockNames {@code model.layers.{n}} and {@code blk.{n}}
 * @param outer parameters outside blocks, in order of execution
 * @param inner parameters of each block, in order of execution
 */
public record Architecture(
    String name,
    List<String> modelTypes,
    List<String> classes,
    ModelKind kind,
    NormKind norm,
    NormOrder normOrder,
    Activation activation,
    List<String> modelPrefixes,
    BlockNames blockNames,
    Map<Role, Parameter> outer,
    Map<Role, Parameter> inner) {

  public enum ModelKind {
    /** Causal attention, next-token logits. */
    DECODER,
    /** Attention in both directions, hidden states. */
    ENCODER
  }

  public enum NormKind {
    /** {@code x / rms(x) * weight} */
    RMS,
    /** {@code (x - mean(x)) / std(x) * weight + bias} */
    LAYER
  }

  public enum NormOrder {
    /** Norm, then layer, then residual sum. */
    PRE,
    /** Layer, residual sum, then norm. */
    POST
  }

  public enum Activation {
    SILU,
    /** With the error function. */
    GELU,
    /** With the tanh approximation. */
    GELU_TANH
  }

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
    return inner.values().stream().filter(p -> p.kind() == Kind.LINEAR).toList();
  }

  /** Whether the feed-forward multiplies by an activated gate. */
  public boolean gated() {
    return inner.containsKey(Role.GATE);
  }

  public static Builder decoder(String name) {
    return new Builder(name, ModelKind.DECODER);
  }

  public static Builder encoder(String name) {
    return new Builder(name, ModelKind.ENCODER);
  }

  /** Reads as the architecture does, from the embedding to the output. */
  public static final class Builder {
    private final String name;
    private final ModelKind kind;
    private List<String> modelTypes = List.of();
    private List<String> classes = List.of();
    private List<String> prefixes = List.of("");
    private NormKind norm = NormKind.RMS;
    private NormOrder normOrder = NormOrder.PRE;
    private Activation activation = Activation.SILU;
    private BlockNames blockNames;
    private final Map<Role, Parameter> outer = new LinkedHashMap<>();
    private final Map<Role, Parameter> inner = new LinkedHashMap<>();

    private Builder(String name, ModelKind kind) {
      this.name = name;
      this.kind = kind;
    }

    public Builder modelTypes(String... types) {
      modelTypes = List.of(types);
      return this;
    }

    public Builder huggingFace(String... classNames) {
      classes = List.of(classNames);
      return this;
    }

    /** Prefixes of every Hugging Face name, all accepted; the first is written. */
    public Builder prefixes(String... all) {
      prefixes = List.of(all);
      return this;
    }

    public Builder norm(NormKind kindOfAll, NormOrder order) {
      norm = kindOfAll;
      normOrder = order;
      return this;
    }

    public Builder activation(Activation function) {
      activation = function;
      return this;
    }

    public Builder embedding(Role role, String huggingFace, String gguf, Width rows) {
      outer.put(
          role,
          new Parameter(
              role,
              Kind.EMBEDDING,
              huggingFace,
              gguf,
              rows,
              Width.HIDDEN,
              null,
              RowOrder.SAME,
              null,
              true));
      return this;
    }

    public Builder outerNorm(Role role, String huggingFace, String gguf) {
      outer.put(
          role,
          new Parameter(
              role,
              Kind.NORM,
              huggingFace,
              gguf,
              Width.HIDDEN,
              null,
              null,
              RowOrder.SAME,
              null,
              true));
      return this;
    }

    /** The matrix from hidden state to logits; taken from the embedding where the file lacks it. */
    public Builder output(String huggingFace, String gguf) {
      outer.put(
          Role.OUTPUT,
          new Parameter(
              Role.OUTPUT,
              Kind.LINEAR,
              huggingFace,
              gguf,
              Width.VOCABULARY,
              Width.HIDDEN,
              Role.OUTPUT_NORM,
              RowOrder.SAME,
              Role.TOKEN_EMBEDDING,
              true));
      return this;
    }

    public Builder blocks(String huggingFace, String gguf, Consumer<BlockBuilder> block) {
      blockNames = new BlockNames(huggingFace, gguf);
      block.accept(new BlockBuilder(inner));
      return this;
    }

    public Architecture build() {
      return new Architecture(
          name,
          modelTypes,
          classes,
          kind,
          norm,
          normOrder,
          activation,
          prefixes,
          blockNames,
          java.util.Collections.unmodifiableMap(outer),
          java.util.Collections.unmodifiableMap(inner));
    }
  }

  /** The parameters of one block. */
  public static final class BlockBuilder {
    private final Map<Role, Parameter> inner;

    private BlockBuilder(Map<Role, Parameter> inner) {
      this.inner = inner;
    }

    public BlockBuilder norm(Role role, String huggingFace, String gguf) {
      return norm(role, huggingFace, gguf, Width.HIDDEN);
    }

    public BlockBuilder norm(Role role, String huggingFace, String gguf, Width width) {
      inner.put(
          role,
          new Parameter(
              role, Kind.NORM, huggingFace, gguf, width, null, null, RowOrder.SAME, null, true));
      return this;
    }

    public LinearBuilder linear(Role role, String huggingFace, String gguf) {
      return new LinearBuilder(this, role, huggingFace, gguf);
    }
  }

  /** {@code linear(QUERY, ...).from(HIDDEN, ATTENTION_NORM).to(QUERY_HEADS)}. */
  public static final class LinearBuilder {
    private final BlockBuilder block;
    private final Role role;
    private final String huggingFace;
    private final String gguf;
    private Width columns;
    private Role reads;
    private RowOrder order = RowOrder.SAME;

    private LinearBuilder(BlockBuilder block, Role role, String huggingFace, String gguf) {
      this.block = block;
      this.role = role;
      this.huggingFace = huggingFace;
      this.gguf = gguf;
    }

    public LinearBuilder reads(Role producer, Width width) {
      reads = producer;
      columns = width;
      return this;
    }

    public LinearBuilder ggufRows(RowOrder rowOrder) {
      order = rowOrder;
      return this;
    }

    public BlockBuilder to(Width rows) {
      block.inner.put(
          role,
          new Parameter(
              role, Kind.LINEAR, huggingFace, gguf, rows, columns, reads, order, null, true));
      return block;
    }
  }

  /** All parameters, outer ones first. */
  public List<Parameter> parameters() {
    var all = new ArrayList<>(outer.values());
    all.addAll(inner.values());
    return all;
  }
}
